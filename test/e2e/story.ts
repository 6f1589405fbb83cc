import { messageOf } from '../../common/errors.ts';
import { passedSteps } from '../cluster/steps.ts';
import { tellCount } from '../tell-count.ts';
import type { Hospital } from './hospital.ts';
import type { HospitalByHand } from './hospital-by-hand.ts';

/** Prints what the end-to-end test does, in plain lines for a person who does not know the project. */

/** A person reads about this many lines of each output. */
const LINES = 60;
const failures: string[] = [];
let chapter = 0;

export function say(text: string): void {
  for (const line of text.split('\n')) console.log(`          ${line}`.trimEnd());
}

export function begin(title: string): void {
  chapter += 1;
  console.log(`\n${chapter}. ${title}`);
}

/** Prints what a person would look at first after a failure. */
export async function showEverything(hospitals: readonly (Hospital | HospitalByHand)[]): Promise<void> {
  const conditions =
    '{range .items[*]}{.metadata.name}{range .status.conditions[*]}{"\\n  "}{.type}={.status} {.reason}: {.message}{end}{"\\n"}{end}';
  const looks: readonly (readonly string[])[] = [
    ['get', 'pods,jobs', '-o', 'wide'],
    ['get', 'lfhnode,lfhpeer', '-o', `jsonpath=${conditions}`],
    ['get', 'events', '--sort-by=.lastTimestamp'],
    ['logs', '-l', 'app.kubernetes.io/component=operator', '--tail=40'],
    ['logs', '-l', 'app=connect', '-c', 'lfh-sync', '--tail=25', '--prefix'],
    ['logs', '-l', 'app=connect', '-c', 'connect', '--tail=15', '--prefix'],
    ['logs', '-l', 'app in (nats,nats-js)', '--all-containers', '--tail=25'],
  ];
  for (const hospital of hospitals) {
    for (const look of looks) {
      console.log(`\n--- ${hospital.lfhId}: kubectl ${look.slice(0, 3).join(' ')}`);
      const seen = await hospital.kubectl(...look).catch(messageOf);
      console.log(seen.split('\n').slice(-LINES).join('\n'));
    }
  }
}

/** Prints an error at once, and in one line at the end. The process ends with 1. */
export function tellFailure(error: unknown): void {
  console.error(error);
  failures.push(`FAILED make e2e, chapter ${chapter}: ${messageOf(error).replaceAll(/\s+/g, ' ')}`);
  process.exitCode = 1;
}

/** Prints what failed, and how many steps passed. */
export function tellEnd(): void {
  tellCount(failures, passedSteps(), failures.length);
}

import type { Hospital } from './hospital.ts';

/** How the end-to-end test tells what happens: in plain lines, for somebody who never saw the project. */

let chapter = 0;

export function say(text: string): void {
  for (const line of text.split('\n')) console.log(`          ${line}`.trimEnd());
}

export function begin(title: string): void {
  chapter += 1;
  console.log(`\n${chapter}. ${title}`);
}

/** What a person would look at first when it failed. */
export async function showEverything(hospitals: readonly Hospital[]): Promise<void> {
  const conditions =
    '{range .items[*]}{.metadata.name}{range .status.conditions[*]}{"\\n  "}{.type}={.status} {.reason}: {.message}{end}{"\\n"}{end}';
  const looks: readonly (readonly string[])[] = [
    ['get', 'pods,jobs', '-o', 'wide'],
    ['get', 'lfhnode,lfhpeer', '-o', `jsonpath=${conditions}`],
    ['get', 'events', '--sort-by=.lastTimestamp'],
    ['logs', '-l', 'app.kubernetes.io/component=operator', '--tail=40'],
    ['logs', '-l', 'app=connect', '-c', 'lfh-sync', '--tail=25', '--prefix'],
    ['logs', '-l', 'app=connect', '-c', 'connect', '--tail=15', '--prefix'],
    ['logs', 'statefulset/nats', '--all-containers', '--tail=25'],
  ];
  for (const hospital of hospitals) {
    for (const look of looks) {
      console.log(`\n--- ${hospital.lfhId}: kubectl ${look.slice(0, 3).join(' ')}`);
      console.log(await hospital.kubectl(...look).catch((error: unknown) => String(error)));
    }
  }
}

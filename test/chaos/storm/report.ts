import { percentile, table } from '../../kit/figures.ts';
import type { Finding } from './checks.ts';
import type { Difference } from './compare.ts';
import { FAULT_NAMES } from './schedule.ts';
import type { Done, Outcome } from './storm.ts';

const WORDS: Readonly<Record<keyof Difference, string>> = {
  lost: 'lost',
  twice: 'twice',
  outOfOrder: 'out of order',
  leaked: 'leaked',
};

/** What a storm has shown, for a person. */
export function report({
  done,
  sent,
  findings,
  announced,
  transmitted,
  transmittedAgain,
  memory,
  wrong,
}: Outcome): string {
  const places = [findings, announced, transmitted];
  const counts = Object.entries(WORDS).map(([key, word]) => [word, ...places.map((all) => sum(all, key))]);
  const expected = places.map((all) => all.reduce((total, each) => total + each.expected, 0));
  const logged = wrong.filter((text) => text.startsWith('a payload in a log')).length;
  return [
    table(
      ['fault', 'times', 'caught up after s: median', 'longest', 'never', 'left out', 'failed'],
      FAULT_NAMES.map((name) => row(name, done)).filter((cells) => cells[1] !== '0'),
    ),
    '',
    table(
      ['messages', 'in Kafka', 'announced', 'at a FHIR server'],
      [['should be there', ...expected.map(String)], ...counts.map((cells) => cells.map(String))],
    ),
    '',
    `${sent} messages sent, rejected at first and redriven: ${redrivenOf(findings)}, payloads in logs: ${logged}`,
    `sent to the FHIR server again, after it had taken them: ${transmittedAgain}`,
    `most memory in MB: ${[...memory].map(([place, peak]) => `${place} ${peak}`).join(', ')}`,
    ...(wrong.length > 0 ? ['', `WRONG (${wrong.length}):`, ...wrong.slice(0, 50)] : ['', 'nothing is wrong']),
  ].join('\n');
}

function row(name: string, all: readonly Done[]): string[] {
  const done = all.filter(({ fault }) => fault === name);
  const times = done.flatMap(({ recovered }) => (recovered === undefined ? [] : [recovered / 1000]));
  const leftOut = done.filter((each) => each.leftOut !== undefined).length;
  const failed = done.filter((each) => each.failed !== undefined).length;
  const median = times.length > 0 ? percentile(times, 0.5).toFixed(1) : '';
  const longest = times.length > 0 ? Math.max(...times).toFixed(1) : '';
  const never = done.length - times.length - leftOut - failed;
  return [name, String(done.length), median, longest, ...[never, leftOut, failed].map(String)];
}

/** At how many places a message was rejected at first. */
export function redrivenOf(findings: readonly Finding[]): number {
  return findings.reduce((total, { redriven }) => total + redriven, 0);
}

function sum(findings: readonly Finding[], key: string): number {
  return findings.reduce((total, { difference }) => total + difference[key as keyof Difference].length, 0);
}

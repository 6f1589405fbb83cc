import { until } from '../test/kit/processes/process.ts';
import type { SidecarProcess } from '../test/kit/processes/sidecar.ts';
import type { PeeredSite } from '../test/kit/sites/peered-site.ts';

/** How the demo says what happens: in plain lines, for somebody who has never seen the project. */

let chapter = 0;

export function say(text: string): void {
  for (const line of text.split('\n')) console.log(line === '' ? '' : `   ${line}`);
}

export function begin(title: string): void {
  chapter += 1;
  console.log(`\n${chapter}. ${title}`);
}

/** One line of a sidecar's log. */
interface LogLine {
  readonly time: string;
  readonly level: string;
  readonly peer?: string;
  readonly uuid?: string;
  readonly msg: string;
}

/** Shows the lines of a sidecar's log that are about a message, as connect's documentation shows them (docs/upstream.md). */
export async function showLog(sidecar: SidecarProcess, of: string, wanted: (line: LogLine) => boolean): Promise<void> {
  const lines = (await sidecar.log())
    .split('\n')
    .filter((text) => text.startsWith('{'))
    .map((text) => JSON.parse(text) as LogLine);
  for (const { time, level, msg } of lines.filter(wanted)) {
    say(`| ${time.replace('T', ' ').replace('Z', '')} - sidecar of ${of} - ${level.toUpperCase()} - ${msg}`);
  }
}

/** Shows the conditions of a peer once, or with `untilReady` each change of them until the peer is ready. */
export async function showConditions(site: PeeredSite, peer: string, untilReady?: 'True'): Promise<void> {
  const shown = new Map<string, string>();
  const isReached = async (): Promise<boolean> => {
    const conditions = (await site.peer(peer)).status?.conditions ?? [];
    for (const { type, status, reason, message } of conditions) {
      const text = `${type}=${status} ${reason}: ${message}`;
      // Ready repeats the worst of the others.
      if (type === 'Ready' || shown.get(type) === text) continue;
      shown.set(type, text);
      say(`| ${site.lfhId}, lfhpeer/${peer}: ${text}`);
    }
    const ready = conditions.find(({ type }) => type === 'Ready');
    return ready !== undefined && (untilReady === undefined || ready.status === untilReady);
  };
  await until(`${peer} is ready at ${site.lfhId}`, isReached, 60_000, 100);
}

import type { SidecarProcess } from '../test/servers/sidecar-process.ts';

/** How the demo tells what happens: in plain lines, for somebody who never saw the project. */

let chapter = 0;

export function say(text: string): void {
  console.log(text === '' ? '' : `   ${text}`);
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

/** Shows the lines of a sidecar's log that are about a message, as connect's log in the seed document shows them. */
export async function showLog(sidecar: SidecarProcess, of: string, wanted: (line: LogLine) => boolean): Promise<void> {
  const lines = (await sidecar.log())
    .split('\n')
    .filter((text) => text.startsWith('{'))
    .map((text) => JSON.parse(text) as LogLine);
  for (const { time, level, msg } of lines.filter(wanted)) {
    say(`| ${time.replace('T', ' ').replace('Z', '')} - sidecar of ${of} - ${level.toUpperCase()} - ${msg}`);
  }
}

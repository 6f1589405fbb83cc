import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import { text } from 'node:stream/consumers';
import { printable } from '../../common/clean.ts';

/** Where nobody says how wide a line may be. */
const WIDTH = 100;

/** What a command says and asks. Nothing that is printed, whoever it is from, is a command to the terminal. */
export interface Terminal {
  /** As many letters as a line may have. */
  readonly width: number;
  /** Whether somebody can be asked. */
  readonly isInteractive: boolean;
  /** Writes what was asked for, which may be piped on. A line end is added where there is none. */
  print(text: string): void;
  /** Writes what is said beside it. */
  say(text: string): void;
  /** Says how far long work is: the last line, which the next one replaces. Nothing where nobody watches. */
  progress(text: string): void;
  /** Clears the screen, for a table that is written again and again. */
  clear(): void;
  /** Asks a question that is answered by yes or no; no is what counts without an answer. */
  confirm(question: string, signal: AbortSignal): Promise<boolean>;
  /** All that is piped in. */
  input(): Promise<string>;
}

/** The terminal that the process was started in. */
export function processTerminal({ stdin, stdout, stderr }: NodeJS.Process): Terminal {
  let progressed = false;
  const endProgress = (): void => {
    if (progressed) stderr.write('\r\u001b[K');
    progressed = false;
  };
  const line = (what: string): string => (what.endsWith('\n') ? what : `${what}\n`);
  return {
    width: stdout.columns ?? stderr.columns ?? WIDTH,
    isInteractive: stdin.isTTY && stderr.isTTY,
    print: (what) => {
      endProgress();
      stdout.write(line(printable(what)));
    },
    say: (what) => {
      endProgress();
      stderr.write(line(printable(what)));
    },
    progress: (what) => {
      if (!stderr.isTTY) return;
      stderr.write(`\r\u001b[K${printable(what).slice(0, (stderr.columns ?? WIDTH) - 1)}`);
      progressed = true;
    },
    clear: () => {
      if (stdout.isTTY) stdout.write('\u001b[2J\u001b[H');
    },
    confirm: async (question, signal) => {
      endProgress();
      const asking = createInterface({ input: stdin, output: stderr });
      try {
        const closed = once(asking, 'close').then(() => '');
        const answer = await Promise.race([asking.question(`${printable(question)} [y/N] `, { signal }), closed]);
        return /^y(es)?$/i.test(answer.trim());
      } finally {
        asking.close();
      }
    },
    input: () => text(stdin),
  };
}

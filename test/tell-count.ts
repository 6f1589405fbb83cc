import { writeFileSync } from 'node:fs';

/**
 * Reports the result of a run of tests: a line for each failure, and then the count in one line. It prints these lines, or writes them to the
 * file that `LFH_SYNC_COUNT_FILE` names. CI and `test/run.ts` name one, because they print more before these lines.
 */
export function tellCount(failures: readonly string[], passed: number, failed: number): void {
  const text = [...failures, `${passed} passed, ${failed} failed`].map((line) => `${line}\n`).join('');
  if (process.env.LFH_SYNC_COUNT_FILE) writeFileSync(process.env.LFH_SYNC_COUNT_FILE, text);
  else process.stdout.write(text);
}

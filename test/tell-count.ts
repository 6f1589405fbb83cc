import { writeFileSync } from 'node:fs';

/**
 * The last that a run of tests says: a line for each failure, and the count in one plain line. Printed, or written to the file
 * that `LFH_SYNC_COUNT_FILE` names, for CI and for `test/run.ts`, which have more to print before.
 */
export function tellCount(failures: readonly string[], passed: number, failed: number): void {
  const text = [...failures, `${passed} passed, ${failed} failed`].map((line) => `${line}\n`).join('');
  if (process.env.LFH_SYNC_COUNT_FILE) writeFileSync(process.env.LFH_SYNC_COUNT_FILE, text);
  else process.stdout.write(text);
}

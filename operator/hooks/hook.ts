import { setTimeout as sleep } from 'node:timers/promises';
import { InvalidInputError, messageOf } from '../../common/errors.ts';
import { createLogger, type Logger } from '../../common/log.ts';
import { KubeError } from '../cluster/errors.ts';

const POLL_MS = 500;

/**
 * Runs the work of one of the chart's Jobs. The exit code is 0 when it is done, 2 for a problem that a person must
 * solve, and 1 for anything else. The last line of the log, which Helm shows when a Job fails, says what the problem
 * is.
 */
export async function runHook(name: string, work: (log: Logger) => Promise<void>): Promise<void> {
  const log = createLogger({ name, level: 'info' });
  try {
    await work(log);
  } catch (error) {
    const isForPerson = error instanceof InvalidInputError || isFinal(error);
    if (isForPerson) log.fatal({ problem: messageOf(error) }, 'cannot be done like this');
    else log.fatal({ err: error }, 'failed');
    process.exitCode = isForPerson ? 2 : 1;
  }
}

/**
 * Tries until the work is done. The API server may be down for a moment, or may not serve yet what was just installed.
 *
 * @param what the message of the error that is thrown where the work is not done in time
 * @param attempt returns whether the work is done
 * @throws an error that will not pass, at once; after `deadline` the last error, or one that says `what`
 */
export async function retryUntil(deadline: number, what: string, attempt: () => Promise<boolean>): Promise<void> {
  for (;;) {
    let last: unknown;
    try {
      if (await attempt()) return;
    } catch (error) {
      if (!(error instanceof KubeError) || isFinal(error)) throw error;
      last = error;
    }
    if (Date.now() + POLL_MS > deadline) throw last ?? new Error(what);
    await sleep(POLL_MS);
  }
}

/**
 * Whether an error stays the same however often the request is repeated. One that says "not found" may pass: a CRD may
 * just have been installed.
 */
function isFinal(error: unknown): boolean {
  return error instanceof KubeError && error.isRefusal && !error.isNotFound;
}

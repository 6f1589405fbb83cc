import { setTimeout as sleep } from 'node:timers/promises';
import { InvalidInputError, messageOf } from '../../common/errors.ts';
import { createLogger, type Logger } from '../../common/log.ts';
import { KubeError } from '../kube/errors.ts';

const POLL_MS = 500;

/**
 * Runs what a Job of the chart does, once. Exit code 0 when it is done, 2 for what a person must mend, 1 for anything else; why is
 * in the last line of the log, which Helm shows when a Job fails.
 */
export async function runHook(name: string, work: (log: Logger) => Promise<void>): Promise<void> {
  const log = createLogger({ name, level: 'info' });
  try {
    await work(log);
  } catch (error) {
    const mendable = error instanceof InvalidInputError || isFinal(error);
    if (mendable) log.fatal({ problem: messageOf(error) }, 'cannot be done like this');
    else log.fatal({ err: error }, 'failed');
    process.exitCode = mendable ? 2 : 1;
  }
}

/**
 * Tries until it is done. The API server may be away for a moment, or may not serve yet what was installed just now.
 *
 * @param attempt returns whether it is done
 * @throws what is final at once; after `deadline` what was thrown last, or an error that says `what` was waited for
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

/** What will be the same however often it is asked. What is not found may be a CRD that was installed just now. */
function isFinal(error: unknown): boolean {
  return error instanceof KubeError && error.isRefusal && !error.isNotFound;
}

import { InvalidInputError, messageOf } from '../common/errors.ts';
import { createLogger } from '../common/log.ts';
import { run } from './run.ts';

/**
 * The exit code is 0 after SIGTERM or SIGINT, 2 for settings that a person must correct, and 1 for anything else, such
 * as a lost lease.
 */
const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort());

try {
  await run(process.env, stop.signal);
} catch (error) {
  const log = createLogger({ name: 'lfh-sync-operator', level: 'info' });
  const isInvalid = error instanceof InvalidInputError;
  if (isInvalid) log.fatal({ problem: messageOf(error) }, 'cannot start with these settings');
  else log.fatal({ err: error }, 'ended');
  // The process must end at once: a reconcile may be running, and when the lease is lost another operator works now.
  process.exit(isInvalid ? 2 : 1);
}

import { InvalidInputError, messageOf } from '../common/errors.ts';
import { createLogger } from '../common/log.ts';
import { run } from './run.ts';

/** Ends with 0 when asked to, 2 for settings that a person must mend, 1 for anything else, a lost lease among them. */
const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort());

try {
  await run(process.env, stop.signal);
} catch (error) {
  const log = createLogger({ name: 'lfh-sync-operator', level: 'info' });
  const mendable = error instanceof InvalidInputError;
  if (mendable) log.fatal({ problem: messageOf(error) }, 'cannot start with these settings');
  else log.fatal({ err: error }, 'ended');
  // Not only its exit code: a turn may be under way, and when the lease is lost another operator works now.
  process.exit(mendable ? 2 : 1);
}

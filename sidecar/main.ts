import { InvalidInputError, MissingReferenceError, messageOf } from '../common/errors.ts';
import { createLogger } from '../common/log.ts';
import { run } from './run.ts';

/** Ends with 0 when asked to, 2 for settings that a person must mend, 1 for anything else, which is a bug. */
const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort());

try {
  await run(process.env, stop.signal);
} catch (error) {
  const log = createLogger({ name: 'lfh-sync-sidecar', level: 'info' });
  const mendable = error instanceof InvalidInputError || error instanceof MissingReferenceError;
  if (mendable) log.fatal({ problem: messageOf(error) }, 'cannot start with these settings');
  else log.fatal({ err: error }, 'ended by an error that nothing was prepared for');
  process.exitCode = mendable ? 2 : 1;
}

import { InvalidInputError, MissingReferenceError, messageOf } from '../common/errors.ts';
import { createLogger } from '../common/log.ts';
import { makeParts } from './parts.ts';
import { run } from './run.ts';

/** Ends with 0 when asked to end, with 2 for settings that a person must mend, and with 1 for anything else, which is a bug. */
const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort());

try {
  await run(await makeParts(process.env), stop.signal);
  // Nothing is connected any more. What kafkajs was in the middle of still waits for its next retry, which would keep us for seconds.
  process.exit(0);
} catch (error) {
  const log = createLogger({ name: 'lfh-sync-sidecar', level: 'info' });
  const isForPerson = error instanceof InvalidInputError || error instanceof MissingReferenceError;
  if (isForPerson) log.fatal({ problem: messageOf(error) }, 'cannot start with these settings');
  else log.fatal({ err: error }, 'ended by an unexpected error');
  process.exitCode = isForPerson ? 2 : 1;
}

import { ErrorCode, type Msg, type MsgHdrs, NatsError } from 'nats';
import { TransientError } from '../../common/errors.ts';
import type { Connected } from './connection.ts';
import { translate } from './errors.ts';

const ANSWER_TIMEOUT_MS = 5000;

/**
 * Sends a request and waits for its one answer.
 *
 * Each request has an inbox of its own, so a user who may not subscribe to it gets an error that says so. The library never
 * settles such a request when the connection ends, so this waits for the end of the connection as well.
 *
 * @returns undefined when the server says that nothing listens on the subject
 * @throws TransientError for everything else that is not an answer
 */
export async function ask(
  { connection, remote }: Connected,
  subject: string,
  body: string | Uint8Array,
  headers?: MsgHdrs,
): Promise<Msg | undefined> {
  const ended = connection.closed().then((error) => {
    throw translate(error ?? undefined, remote);
  });
  // When the answer comes first, nothing waits for this promise any more.
  ended.catch(() => undefined);
  try {
    const options = { timeout: ANSWER_TIMEOUT_MS, noMux: true, ...(headers && { headers }) };
    return await Promise.race([connection.request(subject, body, options), ended]);
  } catch (error) {
    const code = error instanceof NatsError ? error.code : '';
    if (code === ErrorCode.NoResponders) return undefined;
    if (code === ErrorCode.Timeout) {
      const seconds = ANSWER_TIMEOUT_MS / 1000;
      throw new TransientError('Unreachable', `${remote.server} did not answer on ${subject} within ${seconds} s`);
    }
    throw translate(error, remote);
  }
}

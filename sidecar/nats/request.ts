import { ErrorCode, type Msg, type MsgHdrs, type NatsConnection, NatsError } from 'nats';
import { TransientError } from '../../common/errors.ts';
import { Waits } from '../../common/waits.ts';
import type { LocalConnected } from './connect-local.ts';
import type { PeerConnected } from './connect-peer.ts';
import { type Remote, translate } from './errors.ts';
import { ConnectionError } from './peer-client/errors.ts';
import { type Incoming, statusOf } from './peer-client/incoming.ts';

const ANSWER_TIMEOUT_MS = 5000;
/** The status of the answer where nothing listens on the subject. */
const NO_RESPONDERS = 503;

/**
 * Sends a request to the node's own server and waits for its one answer.
 *
 * Each request has an inbox of its own, so a user who may not subscribe to it gets an error that says so. The library never
 * settles such a request when the connection ends, so this waits for the end of the connection as well.
 *
 * @returns undefined when the server says that nothing listens on the subject
 * @throws TransientError for everything else that is not an answer
 */
export async function ask(
  { connection, remote }: LocalConnected,
  subject: string,
  body: string | Uint8Array,
  headers?: MsgHdrs,
): Promise<Msg | undefined> {
  try {
    const options = { timeout: ANSWER_TIMEOUT_MS, noMux: true, ...(headers && { headers }) };
    return await waitsOf(connection).until(connection.request(subject, body, options));
  } catch (error) {
    const code = error instanceof NatsError ? error.code : '';
    if (code === ErrorCode.NoResponders) return undefined;
    if (code === ErrorCode.Timeout) throw unanswered(remote, subject);
    throw translate(error, remote);
  }
}

/**
 * Sends a request to a peer's server and waits for its one answer. As {@link ask}.
 *
 * @param header one that is sent with it
 */
export async function askPeer(
  { connection, remote }: PeerConnected,
  subject: string,
  body: string,
  header?: readonly [name: string, value: string],
): Promise<Incoming | undefined> {
  try {
    const options = { timeoutMs: ANSWER_TIMEOUT_MS, ...(header && { header }) };
    const answer = await connection.request(subject, body, options);
    return answer.size === 0 && statusOf(answer)?.code === NO_RESPONDERS ? undefined : answer;
  } catch (error) {
    if (error instanceof ConnectionError && error.code === 'TIMEOUT') throw unanswered(remote, subject);
    throw translate(error, remote);
  }
}

const WAITS = new WeakMap<NatsConnection, Waits>();

/** What waits for answers over a connection: one listener for its end, however many requests there are. */
function waitsOf(connection: NatsConnection): Waits {
  const known = WAITS.get(connection);
  if (known) return known;
  const waits = new Waits();
  WAITS.set(connection, waits);
  void connection.closed().then((error) => waits.end(() => error ?? closedByUs()));
  return waits;
}

function closedByUs(): NatsError {
  return NatsError.errorForCode(ErrorCode.ConnectionClosed);
}

function unanswered({ server }: Remote, subject: string): TransientError {
  return new TransientError(
    'Unreachable',
    `${server} did not answer on ${subject} within ${ANSWER_TIMEOUT_MS / 1000} s`,
  );
}

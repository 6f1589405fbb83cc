import { IMPOSSIBLE_PULL, pullSubject } from '../../common/contract/durable.ts';
import { syncName } from '../../common/contract/names.ts';
import { CONNECTIONS_SUBJECT, PROBE_INBOX } from '../plan/observed/names.ts';
import { type Connected, connectOnce, type ServerTrust } from './connection.ts';
import { isNoResponders, translate } from './errors.ts';
import { isObject, parseJson } from './json.ts';
import type { UserKey } from './keys.ts';
import { askAll } from './request.ts';

/** What a peer finds when it signs in. */
export interface PeerAccount {
  /**
   * Whether its pulls reach its durable. Not before nats-server's second reload (ADR 5), and not without the durable.
   */
  readonly served: boolean;
  /** The NKeys of the connections to the account, each once, but the probe's own, on all servers of the cluster. */
  readonly connectedKeys: readonly string[];
}

const TIMEOUT_MS = 2000;
/** Of a public NKey; no more than that is kept of what an answer has in its place. */
const KEY_LENGTH = 56;
/** A peer may open as many connections as the server allows; these fit into one answer of ours, see `MAX_ANSWER_BYTES`. */
const CONNECTIONS_QUERY = JSON.stringify({ auth: true, limit: 256 });

/**
 * Probes a peer's account from inside, on one server: whether the peer's requests reach its durable consumer, and with
 * which keys somebody is connected there. Nothing that this asks changes the peer's position.
 *
 * @param key a user in the peer's account: {@link probeKey}; where peers have no accounts of their own, {@link
 *   localNatsKey}
 * @throws TransientError, with the reason `KeyRefused` where the server does not have that account
 */
export async function probePeerAccount(
  server: string,
  key: UserKey,
  trust: ServerTrust,
  peer: { readonly lfhId: string; readonly stream: string },
): Promise<PeerAccount> {
  const connected = await connectOnce(server, key, trust, PROBE_INBOX);
  try {
    const [served, answers] = await Promise.all([
      isServed(connected, pullSubject(peer.stream, syncName(peer.lfhId))),
      askAll(connected, CONNECTIONS_SUBJECT, CONNECTIONS_QUERY, TIMEOUT_MS, connectedKeysIn),
    ]);
    return { served, connectedKeys: [...new Set(answers.flat())].filter((each) => each !== key.publicKey) };
  } finally {
    await connected.connection.close();
  }
}

async function isServed({ connection, place }: Connected, pull: string): Promise<boolean> {
  try {
    await connection.request(pull, IMPOSSIBLE_PULL, { timeout: TIMEOUT_MS });
    return true;
  } catch (error) {
    if (isNoResponders(error)) return false;
    throw translate(error, place);
  }
}

/** The keys in an answer of a server; an answer that somebody else has given in its place may be anything. */
function connectedKeysIn(answer: string): string[] {
  const parsed = parseJson(answer);
  const data = isObject(parsed) ? parsed.data : undefined;
  const connections: unknown = isObject(data) ? data.connections : undefined;
  const each: readonly unknown[] = Array.isArray(connections) ? connections : [];
  const users = each.map((connection) => (isObject(connection) ? connection.authorized_user : undefined));
  const keys = users.filter((user) => typeof user === 'string' && user.length === KEY_LENGTH) as string[];
  return [...new Set(keys)];
}

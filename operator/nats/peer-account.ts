import { IMPOSSIBLE_PULL, pullSubject } from '../../common/contract/durable.ts';
import { syncName } from '../../common/contract/names.ts';
import { CONNECTIONS_SUBJECT, PROBE_INBOX } from '../plan/observed/names.ts';
import { type Connected, connectOnce, type ServerTrust } from './connection.ts';
import { isNoResponders, translate } from './errors.ts';
import type { UserKey } from './keys.ts';
import { askAll } from './request.ts';

/** A connection to a peer's account. */
export interface PeerConnection {
  /** The NKey it signed in with. */
  readonly publicKey: string;
  /** The address it comes from, as the server sees it. */
  readonly host: string;
  /** ISO 8601 */
  readonly since: string;
}

/** What a peer finds when it signs in. */
export interface PeerAccount {
  /** Whether its pulls reach its durable. Not before nats-server's second reload (ADR 5), and not without the durable. */
  readonly served: boolean;
  /** Everybody else who is signed in, on all servers of the cluster. */
  readonly connections: readonly PeerConnection[];
}

interface Connections {
  readonly data?: {
    readonly connections?: readonly {
      readonly authorized_user?: string;
      readonly ip: string;
      readonly start: string;
    }[];
  };
}

const TIMEOUT_MS = 2000;

/**
 * Looks at a peer's account from inside, on one server: whether what the peer is about to ask for is there, and with which
 * key it is connected. Nothing that this asks moves the peer's durable.
 *
 * @param key a user in the peer's account: {@link probeKey}; where peers have no accounts of their own, {@link localNatsKey}
 * @throws TransientError; with `KeyRefused` the server does not have that account
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
      askAll(connected, CONNECTIONS_SUBJECT, JSON.stringify({ auth: true }), TIMEOUT_MS),
    ]);
    return {
      served,
      connections: answers.flatMap(connectionsIn).filter(({ publicKey }) => publicKey !== key.publicKey),
    };
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

function connectionsIn(answer: string): PeerConnection[] {
  const { data } = JSON.parse(answer) as Connections;
  return (data?.connections ?? []).map(({ authorized_user, ip, start }) => ({
    publicKey: authorized_user ?? '',
    host: ip,
    since: start,
  }));
}

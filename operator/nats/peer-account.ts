import { type Client, CONNECT_INFO_SUBJECT, IMPOSSIBLE_PULL, pullSubject } from '../../common/contract/durable.ts';
import { CONNECTIONS_SUBJECT, PROBE_INBOX } from '../plan/observed/names.ts';
import type { PeerConnection } from '../plan/observed/observed.ts';
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
  /**
   * Of all connections to the account but the probe's own, on all servers of the cluster; also of those closed lately. Absent where
   * nobody asked.
   */
  readonly connections?: readonly AccountConnection[];
}

/** A connection, with the NKey that it signed in with. */
export interface AccountConnection extends PeerConnection {
  readonly key: string;
  readonly open: boolean;
}

export interface ProbedPeer {
  readonly durable: string;
  readonly client: Client;
  readonly stream: string;
  /** Whether to ask for its connections as well: any server of a cluster may answer, so that is waited for. */
  readonly connections: boolean;
}

const TIMEOUT_MS = 2000;
/** Of a public NKey, and of a server's id. No more than that is kept of what an answer has in its place. */
const KEY_LENGTH = 56;
/** With isolation `Users` a peer may open as many as the server allows; these fit into one answer of ours, see `MAX_ANSWER_BYTES`. */
const MOST_CONNECTIONS = 256;
const OPEN = JSON.stringify({ auth: true, limit: MOST_CONNECTIONS });
/** Those that were closed last come first. */
const CLOSED_LATELY = JSON.stringify({ auth: true, limit: MOST_CONNECTIONS, state: 1, sort: 'stop' });

/**
 * Probes a peer's account from inside, on one server: whether the peer's requests reach its durable consumer, and where asked, with
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
  peer: ProbedPeer,
): Promise<PeerAccount> {
  const connected = await connectOnce(server, key, trust, PROBE_INBOX);
  try {
    const asked = peer.connections ? [OPEN, CLOSED_LATELY] : [];
    const [served, ...answers] = await Promise.all([
      isServed(connected, peer),
      ...asked.map((body) => askAll(connected, CONNECTIONS_SUBJECT, body, TIMEOUT_MS, connectionsIn)),
    ]);
    if (!peer.connections) return { served };
    // One that was closed between the two answers is in both.
    const all = new Map(answers.flat(2).map((each) => [each.id, each]));
    return { served, connections: [...all.values()].filter((each) => each.key !== key.publicKey) };
  } finally {
    await connected.connection.close();
  }
}

/** A durable that is pulled from answers a pull. Of one that is pushed connect asks which subject it delivers to. */
async function isServed({ connection, place }: Connected, peer: ProbedPeer): Promise<boolean> {
  const { client, stream, durable } = peer;
  const [subject, body] =
    client === 'Connect' ? [CONNECT_INFO_SUBJECT, ''] : [pullSubject(stream, durable), IMPOSSIBLE_PULL];
  try {
    const answer = await connection.request(subject, body, { timeout: TIMEOUT_MS });
    if (client === 'Sidecar') return true;
    const info = parseJson(answer.string());
    return isObject(info) && info.name === durable;
  } catch (error) {
    if (isNoResponders(error)) return false;
    throw translate(error, place);
  }
}

/** The connections in an answer of a server; an answer that somebody else has given in its place may be anything. */
function connectionsIn(answer: string): AccountConnection[] {
  const parsed = parseJson(answer);
  const data = isObject(parsed) ? parsed.data : undefined;
  if (!isObject(data) || !Array.isArray(data.connections)) return [];
  const { connections, server_id: server, now } = data;
  if (!isKey(server)) return [];
  return connections
    .slice(0, MOST_CONNECTIONS)
    .flatMap((each: unknown) => (isObject(each) ? connectionIn(each, server, timeOf(now)) : []));
}

function connectionIn(
  { cid, authorized_user: key, in_msgs: sent, start, stop }: Readonly<Record<string, unknown>>,
  server: string,
  now: number,
): AccountConnection[] {
  if (!isKey(key) || typeof cid !== 'number') return [];
  const end = stop === undefined ? now : timeOf(stop);
  return [
    {
      key,
      open: stop === undefined,
      id: `${server} ${cid}`,
      sent: typeof sent === 'number' && sent > 0 ? sent : 0,
      lastedSeconds: secondsBetween(timeOf(start), end),
      closedForSeconds: secondsBetween(end, now),
    },
  ];
}

function isKey(text: unknown): text is string {
  return typeof text === 'string' && text.length === KEY_LENGTH;
}

/** In milliseconds since 1970. */
function timeOf(text: unknown): number {
  return typeof text === 'string' ? Date.parse(text) : Number.NaN;
}

/** 0 where either is not known, so that what is sent counts. */
function secondsBetween(start: number, end: number): number {
  return Math.max(0, (end - start) / 1000) || 0;
}

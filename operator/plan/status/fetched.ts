import type { ObservedDurable, ObservedNats, PeerObject } from '../observed/observed.ts';
import { parseTime } from '../observed/times.ts';
import { latest } from '../trust/expiry.ts';

/**
 * How far a peer has fetched our stream, in time: what it has not fetched expires when the stream's max_age is over.
 *
 * JetStream says only up to which sequence a peer has acknowledged. When the next message came is in the message alone, and the
 * operator reads no message. So it remembers where the stream ended at a time: once a peer has acknowledged that, it has everything
 * that came before. What is known is never too late, and at most one look behind while the peer keeps up.
 */
export interface Fetched {
  /** The peer has everything that came before this, in milliseconds since 1970. */
  readonly upTo: number;
  /** Whether it has everything that there is. */
  readonly all: boolean;
  /** Where the stream ended at a time; undefined where that was not seen yet. */
  readonly mark: { readonly sequence: number; readonly at: number } | undefined;
}

/**
 * Notes how far a peer has fetched since the last reconcile.
 *
 * @returns undefined for a peer that has never acknowledged anything: a new peer takes what the stream has, and loses nothing
 */
export function advanceFetched(
  before: Fetched | undefined,
  peer: PeerObject,
  durable: ObservedDurable | undefined,
  nats: ObservedNats | undefined,
  now: number,
): Fetched | undefined {
  if (!durable || nats?.streamLast === undefined) return before;
  if (durable.ackFloor === 0) return undefined;
  const here = { sequence: nats.streamLast, at: now };
  if (hasAll(durable)) return { upTo: now, all: true, mark: here };
  const { mark, upTo } = before ?? { mark: undefined, upTo: parseTime(peer.status?.send?.behindSince) };
  if (mark === undefined || durable.ackFloor < mark.sequence) return behind(upTo, nats, mark ?? here);
  return behind(mark.at, nats, here);
}

function hasAll({ pending, unacknowledged = 0 }: ObservedDurable): boolean {
  return pending === 0 && unacknowledged === 0;
}

/**
 * What is older than the stream's oldest message was fetched or is lost, and the latter is MessagesExpired.
 *
 * @param upTo undefined where only that is known
 */
function behind(
  upTo: number | undefined,
  { streamFirstTime }: ObservedNats,
  mark: Fetched['mark'],
): Fetched | undefined {
  const known = latest([upTo, streamFirstTime].filter((time) => time !== undefined));
  return known === undefined ? undefined : { upTo: known, all: false, mark };
}

/** When the first message that the peer may lack expires, in milliseconds since 1970; undefined where none does, or that is not known. */
export function expiryOf(fetched: Fetched | undefined, maxAge: number | undefined): number | undefined {
  return fetched === undefined || fetched.all || maxAge === undefined ? undefined : fetched.upTo + maxAge;
}

/** The share of the stream's max_age after which a person should know. The alert LfhSyncMessagesExpireSoon has the same. */
const WARN_AT = 0.75;

/** Whether most of the time is over for which the stream keeps the messages that the peer may lack. */
export function expiresSoon(fetched: Fetched | undefined, maxAge: number | undefined, now: number): boolean {
  return fetched !== undefined && !fetched.all && maxAge !== undefined && now - fetched.upTo > WARN_AT * maxAge;
}

import type { PeerStatus } from '../../../common/contract/status.ts';
import type { LfhSyncPeer } from '../../api/types.ts';
import {
  type DataPlane,
  durableNamed,
  isThere,
  type ObservedDurable,
  type ObservedNats,
  type PeerAccess,
  type PeerObject,
  reportOf,
} from '../observed/observed.ts';
import { peerDurable, peerSpec } from '../observed/spec.ts';
import { parseTime, statusTime } from '../observed/times.ts';
import type { ManualAccess } from '../peers/manual-access.ts';
import { expiryOf, type Fetched } from './fetched.ts';
import { anyKnown, known } from './known.ts';

type PeerStatusOf = NonNullable<LfhSyncPeer['status']>;

/** What else is known of a peer. */
interface Seen {
  readonly access: PeerAccess | undefined;
  readonly fetched: Fetched | undefined;
  /** What the peer's administrator needs to give us access by hand. */
  readonly manual: ManualAccess | undefined;
  /** When the last authority of its CA expires. */
  readonly caExpires: number | undefined;
  readonly now: number;
}

/**
 * A status is not written more often than this only to say that a peer goes on asking, as an idle one does every few seconds.
 */
const PULL_RESOLUTION_MS = 5 * 60_000;

/** What was seen last of each direction. It is left out for a direction that the spec no longer asks for. */
export function lastSeenOf(
  peer: PeerObject,
  { nats, sidecars }: DataPlane,
  seen: Seen,
): Pick<PeerStatusOf, 'receive' | 'send' | 'certificateExpiry'> {
  const { receive: receiveBefore, send } = peer.status ?? {};
  const { manual: _before, ...seenBefore } = receiveBefore ?? {};
  const { servers, publicKeys } = peerSpec(peer);
  const report = sidecars && reportOf(peer, sidecars);
  return {
    ...(servers.length > 0 && {
      ...receiveOf(report, receiveBefore && seenBefore, seen.manual),
      ...certificateExpiryOf(peer, report, seen.caExpires),
    }),
    ...(publicKeys.length > 0 && { ...(send && { send }), ...sendOf(peer, nats, seen) }),
  };
}

function certificateExpiryOf(
  peer: PeerObject,
  report: PeerStatus | undefined,
  caExpires: number | undefined,
): Pick<PeerStatusOf, 'certificateExpiry'> {
  const certificateExpiry = anyKnown({
    server: report?.certificateExpires ?? peer.status?.certificateExpiry?.server,
    serverCa: caExpires === undefined ? undefined : statusTime(caExpires),
  });
  return known({ certificateExpiry });
}

function sendOf(
  peer: PeerObject,
  nats: ObservedNats | undefined,
  { access, fetched, now }: Seen,
): Pick<PeerStatusOf, 'send'> {
  const durable = durableNamed(peerDurable(peer), nats?.durables);
  if (!durable) return {};
  const { pending, ackFloor } = durable;
  const { client } = peerSpec(peer).send;
  const expiry = expiryOf(fetched, nats?.streamMaxAge);
  const send = known({
    pending,
    ackFloor,
    lastPullTime: lastPullOf(durable, lastPullBefore(peer), now),
    behindSince: fetched === undefined || fetched.all ? undefined : statusTime(fetched.upTo),
    expiresAt: expiry === undefined ? undefined : statusTime(expiry),
    client,
    connectedKey: access?.connectedKeys?.[0],
  });
  return { send };
}

/** When the peer was last seen to ask with the client that it has now, as its status remembers. */
export function lastPullBefore(peer: PeerObject): string | undefined {
  const { client = 'Sidecar', lastPullTime } = peer.status?.send ?? {};
  return client === peerSpec(peer).send.client ? lastPullTime : undefined;
}

/** A pull that waits is seen now; of one that was answered the durable says when. */
function lastPullOf(durable: ObservedDurable, before: string | undefined, now: number) {
  const latest = [durable.lastActive, before].reduce((a, b) => ((parseTime(a) ?? 0) >= (parseTime(b) ?? 0) ? a : b));
  const isRecent = now - (parseTime(latest) ?? 0) < PULL_RESOLUTION_MS;
  return isThere(durable) && !isRecent ? statusTime(now) : latest;
}

/** @param before what was seen last */
function receiveOf(
  report: PeerStatus | undefined,
  before: PeerStatusOf['receive'],
  manual: ManualAccess | undefined,
): Pick<PeerStatusOf, 'receive'> {
  const byHand = manual && { manual };
  if (!report) return before || byHand ? { receive: { ...before, ...byHand } } : {};
  const { lag, lastReplayTime, replayed, skipped, rejected, server } = report;
  return {
    receive: {
      ...keptOf(report, before),
      ...(lag !== null && { lag }),
      ...(lastReplayTime !== null && { lastReplayTime }),
      replayed,
      skipped: sum(skipped),
      rejected: sum(rejected),
      ...(server !== null && { server }),
      ...byHand,
    },
  };
}

/**
 * What stays while a sidecar does not know it. That is the key that the peer was seen to accept: a peer that is down while our key is
 * replaced may accept only the previous one, which must be kept for it. And it is the position: it tells a peer that has given us
 * access before from one that never did.
 */
function keptOf({ position, key }: PeerStatus, before: PeerStatusOf['receive']): PeerStatusOf['receive'] {
  return known({ position: position?.sequence ?? before?.position, key: key ?? before?.key });
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((all, count) => all + count, 0);
}

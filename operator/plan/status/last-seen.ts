import { syncName } from '../../../common/contract/names.ts';
import type { PeerStatus } from '../../../common/contract/status.ts';
import type { LfhSyncPeer } from '../../api/types.ts';
import { type DataPlane, type ObservedNats, type PeerAccess, type PeerObject, reportOf } from '../observed/observed.ts';
import { peerSpec } from '../observed/spec.ts';

type PeerStatusOf = NonNullable<LfhSyncPeer['status']>;

/** What was seen last of each direction. It is left out for a direction that the spec no longer asks for. */
export function lastSeenOf(
  peer: PeerObject,
  { nats, sidecars }: DataPlane,
  access: PeerAccess | undefined,
): Pick<PeerStatusOf, 'receive' | 'send'> {
  const { receive, send } = peer.status ?? {};
  const { servers, publicKeys } = peerSpec(peer);
  return {
    ...(servers.length > 0 && {
      ...(receive && { receive }),
      ...receiveOf(sidecars && reportOf(peer, sidecars), receive?.key),
    }),
    ...(publicKeys.length > 0 && { ...(send && { send }), ...sendOf(peer, nats, access) }),
  };
}

function sendOf(
  peer: PeerObject,
  nats: ObservedNats | undefined,
  access: PeerAccess | undefined,
): Pick<PeerStatusOf, 'send'> {
  const durable = nats?.durables?.find(({ name }) => name === syncName(peer.spec.lfhId));
  if (!durable) return {};
  const { pending, ackFloor, lastActive = peer.status?.send?.lastPullTime } = durable;
  const connectedKey = access?.connectedKeys[0];
  return {
    send: {
      pending,
      ackFloor,
      ...(lastActive !== undefined && { lastPullTime: lastActive }),
      ...(connectedKey !== undefined && { connectedKey }),
    },
  };
}

/**
 * @param lastKey the key that the peer was last seen to accept. It stays while there is no connection: a peer that is
 *   down while our key is replaced may accept only the previous one, which must be kept for it.
 */
function receiveOf(report: PeerStatus | undefined, lastKey: string | undefined): Pick<PeerStatusOf, 'receive'> {
  if (!report) return {};
  const { position, lag, lastReplayTime, replayed, skipped, rejected, server, key: acceptedNow } = report;
  const key = acceptedNow ?? lastKey;
  return {
    receive: {
      ...(position && { position: position.sequence }),
      ...(lag !== null && { lag }),
      ...(lastReplayTime !== null && { lastReplayTime }),
      replayed,
      skipped: sum(skipped),
      rejected: sum(rejected),
      ...(server !== null && { server }),
      ...(key !== undefined && { key }),
    },
  };
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((all, count) => all + count, 0);
}

import { syncName } from '../../../common/contract/names.ts';
import type { PeerStatus } from '../../../common/contract/status.ts';
import { type DataPlane, type ObservedDurable, type PeerObject, reportOf } from '../observed/observed.ts';
import type { PlannedPeer } from '../peers/peers.ts';
import type { Progresses } from './status.ts';
import { type Progress, STANDSTILL_MS } from './verdict.ts';

/**
 * Notes what has moved since the last turn. Whether somebody lags is a question of time, and neither a position nor an ack
 * floor tells when it moved last.
 */
export function advanceProgress(
  before: Progresses,
  peers: readonly PlannedPeer[],
  { nats, sidecars }: DataPlane,
  now: number,
): Progresses {
  return new Map(
    peers.map(({ peer }) => {
      const { name } = peer.metadata;
      const report = sidecars && reportOf(peer, sidecars);
      const durable = nats?.durables?.find((each) => each.name === syncName(peer.spec.lfhId));
      const known = before.get(name);
      return [
        name,
        {
          received: received(known?.received ?? stoodStill(peer, 'ReceiveReady', now), report, now),
          sent: sent(known?.sent ?? stoodStill(peer, 'SendReady', now), durable, now),
        },
      ];
    }),
  );
}

/** What stood still before this operator began still does, unless it is seen to have moved since. */
function stoodStill({ status }: PeerObject, type: 'ReceiveReady' | 'SendReady', now: number): Progress | undefined {
  const told = status?.conditions?.find((condition) => condition.type === type);
  if (!told || !STANDSTILLS.has(told.reason)) return undefined;
  const seen = type === 'ReceiveReady' ? status?.receive?.position : status?.send?.ackFloor;
  return { mark: seen ?? 0, since: now - STANDSTILL_MS - 1 };
}

const STANDSTILLS: ReadonlySet<string> = new Set(['Lagging', 'NoPull']);

function received(known: Progress | undefined, report: PeerStatus | undefined, now: number): Progress {
  return advance(known, report?.position?.sequence ?? 0, report?.lag === 0, now);
}

/** Whoever waits with a pull, or has nothing left to fetch, is not behind. */
function sent(known: Progress | undefined, durable: ObservedDurable | undefined, now: number): Progress {
  return advance(
    known,
    durable?.ackFloor ?? 0,
    durable !== undefined && durable.waiting > 0 && durable.pending === 0,
    now,
  );
}

function advance(known: Progress | undefined, mark: number, upToDate: boolean, now: number): Progress {
  return !known || upToDate || known.mark !== mark ? { mark, since: now } : known;
}

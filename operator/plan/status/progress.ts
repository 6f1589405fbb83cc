import type { PeerStatus } from '../../../common/contract/status.ts';
import {
  type DataPlane,
  durableNamed,
  isThere,
  type ObservedDurable,
  type PeerObject,
  reportOf,
} from '../observed/observed.ts';
import { peerDurable } from '../observed/spec.ts';
import type { PlannedPeer } from '../peers/peers.ts';
import { advanceFetched, type Fetched } from './fetched.ts';
import { isStale } from './settings-live.ts';
import { type Progress, STANDSTILL_MS } from './verdict.ts';

/** How far each direction of each peer had got when it last moved, by the peer's name. */
export type Progresses = ReadonlyMap<string, PeerProgress>;

export interface PeerProgress {
  readonly received: Progress;
  readonly sent: Progress;
  /** undefined where it is not known. */
  readonly fetched?: Fetched | undefined;
  /** Since when the peer was seen to be replayed by other settings than those that are planned; undefined where it is not. */
  readonly staleSince?: number | undefined;
}

/**
 * Notes what has moved since the last reconcile. Whether a direction lags is a question of time, and neither a position
 * nor an acknowledgement floor says when it last moved.
 */
export function advanceProgress(
  before: Progresses,
  peers: readonly PlannedPeer[],
  { nats, sidecars }: DataPlane,
  now: number,
): Progresses {
  return new Map(
    peers.map((planned) => {
      const { peer } = planned;
      const { name } = peer.metadata;
      const report = sidecars && reportOf(peer, sidecars);
      const durable = durableNamed(peerDurable(peer), nats?.durables);
      const known = before.get(name);
      return [
        name,
        {
          received: received(known?.received ?? stoodStill(peer, 'ReceiveReady', now), report, now),
          sent: sent(known?.sent ?? stoodStill(peer, 'SendReady', now), durable, now),
          fetched: advanceFetched(known?.fetched, peer, durable, nats, now),
          staleSince: staleSince(known?.staleSince, planned, report, now),
        },
      ];
    }),
  );
}

/** What stood still before this operator was started still does, unless it is seen to have moved since. */
function stoodStill({ status }: PeerObject, type: 'ReceiveReady' | 'SendReady', now: number): Progress | undefined {
  const reported = status?.conditions?.find((condition) => condition.type === type);
  if (!reported || !STANDSTILLS.has(reported.reason)) return undefined;
  const seen = type === 'ReceiveReady' ? status?.receive?.position : status?.send?.ackFloor;
  return { mark: seen ?? 0, since: now - STANDSTILL_MS - 1 };
}

const STANDSTILLS: ReadonlySet<string> = new Set(['Lagging', 'NoPull', 'NotSubscribed']);

function received(known: Progress | undefined, report: PeerStatus | undefined, now: number): Progress {
  return advance(known, report?.position?.sequence ?? 0, report?.lag === 0, now);
}

/** Where no sidecar reports on the peer, nothing is known that is newer. */
function staleSince(
  before: number | undefined,
  planned: PlannedPeer,
  report: PeerStatus | undefined,
  now: number,
): number | undefined {
  if (!report) return before;
  return isStale(planned, report) ? (before ?? now) : undefined;
}

/** A peer that is there and has nothing left to fetch is not behind. */
function sent(known: Progress | undefined, durable: ObservedDurable | undefined, now: number): Progress {
  return advance(
    known,
    durable?.ackFloor ?? 0,
    durable !== undefined && isThere(durable) && durable.pending === 0,
    now,
  );
}

function advance(known: Progress | undefined, mark: number, upToDate: boolean, now: number): Progress {
  return !known || upToDate || known.mark !== mark ? { mark, since: now } : known;
}

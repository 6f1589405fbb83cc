import { syncName } from '../../common/contract/names.ts';
import type { PeerStatus } from '../../common/contract/status.ts';
import { type DataPlane, type ObservedDurable, reportOf } from './observed.ts';
import type { PlannedPeer } from './peers.ts';
import type { Progresses } from './status.ts';
import type { Progress } from './verdict.ts';

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
      return [name, { received: received(known?.received, report, now), sent: sent(known?.sent, durable, now) }];
    }),
  );
}

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

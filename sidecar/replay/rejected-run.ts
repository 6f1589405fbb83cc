import type { RejectReason } from '../../common/contract/reasons.ts';
import type { RejectedRun } from '../../common/contract/status.ts';
import { type BatchPlan, countRejections } from './batch-plan.ts';

/** Messages of a peer that were rejected one after another, with none replayed between them. */
export interface Rejections {
  readonly counts: ReadonlyMap<RejectReason, number>;
  /** The newest `lfh_id` that was not allowed, where it is a plain one; see {@link RejectedRun}. */
  readonly origin: string | null;
}

export const NO_REJECTIONS: Rejections = { counts: new Map(), origin: null };

/**
 * The run of rejections after a committed batch. A message that is replayed ends the run; one that is skipped neither ends nor
 * lengthens it, because nothing in it was looked at.
 */
export function advanceRejections(before: Rejections, { replays, rejections }: BatchPlan): Rejections {
  const lastReplayed = replays.at(-1)?.delivered.streamSequence ?? 0;
  const since = rejections.filter(({ delivered }) => delivered.streamSequence > lastReplayed);
  const { counts, origin } = replays.length > 0 ? NO_REJECTIONS : before;
  const total = new Map(counts);
  for (const [reason, count] of countRejections(since)) total.set(reason, (total.get(reason) ?? 0) + count);
  const newest = since.findLast(({ rejection }) => rejection.origin !== undefined);
  return { counts: total, origin: newest?.rejection.origin ?? origin };
}

/** What is reported of a run: its length and its commonest reason; null where the newest message was replayed. */
export function rejectedRun({ counts, origin }: Rejections): RejectedRun | null {
  const [commonest] = [...counts].sort(([, one], [, other]) => other - one);
  if (commonest === undefined) return null;
  const [reason] = commonest;
  const count = [...counts.values()].reduce((sum, each) => sum + each, 0);
  return { count, reason, origin: reason === 'ForeignOrigin' ? origin : null };
}

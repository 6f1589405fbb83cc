import { setImmediate } from 'node:timers/promises';
import { inTurns } from '../../common/turns.ts';
import {
  advancePosition,
  type BatchPlan,
  type Judged,
  joinPlans,
  judgeBatch,
  planBatch,
  type Topics,
} from '../replay/batch-plan.ts';
import type { Rules } from '../replay/decide.ts';
import type { Delivered } from '../replay/delivered.ts';
import type { Position } from '../replay/position.ts';

/**
 * Judges and encodes a batch in slices, with a turn of the event loop after each. All peers of a sidecar share one thread, and
 * what a peer sends decides how long its batch takes: 8 MB in one go kept the others, the heartbeats to Kafka and the probes
 * waiting for up to a second.
 */

/** Payload that is judged or encoded in one go, in bytes: some milliseconds. A single larger message is a slice of its own. */
export const SLICE_BYTES = 256 * 1024;
/** What a message costs besides its payload, expressed in bytes: thousands of empty messages are work as well. */
const MESSAGE_BYTES = 4 * 1024;

/** As `judgeBatch`. */
export async function judgeInSlices(
  batch: readonly Delivered[],
  before: Position,
  rules: Rules,
): Promise<readonly Judged[]> {
  const judged: Judged[][] = [];
  let at = before;
  for (const slice of slicesOf(batch, (delivered) => delivered)) {
    judged.push(await inTurns(judgeBatch(slice, at, rules)));
    at = advancePosition(at, slice.at(-1));
    await setImmediate();
  }
  return judged.flat();
}

/** As `planBatch`, with the current time. */
export async function planInSlices(
  judged: readonly Judged[],
  topics: Topics,
  before: Position,
  peer: string,
  maxMessageBytes: number,
): Promise<BatchPlan> {
  const plans: BatchPlan[] = [];
  let at = before;
  for (const slice of slicesOf(judged, ({ delivered }) => delivered)) {
    const plan = planBatch(slice, topics, at, peer, maxMessageBytes, Date.now());
    plans.push(plan);
    at = plan.position;
    await setImmediate();
  }
  return joinPlans(plans, before);
}

/** Cuts a batch, in its order, so that no slice but that of a single message has more than {@link SLICE_BYTES}. */
export function slicesOf<Item>(items: readonly Item[], deliveredOf: (item: Item) => Delivered): Item[][] {
  const slices: Item[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const item of items) {
    const size = deliveredOf(item).payload.byteLength + MESSAGE_BYTES;
    if (bytes + size > SLICE_BYTES) {
      slices.push([]);
      bytes = 0;
    }
    slices.at(-1)?.push(item);
    bytes += size;
  }
  return slices;
}

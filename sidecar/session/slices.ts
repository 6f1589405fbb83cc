import { inTurns, nextTurn } from '../../common/turns.ts';
import {
  advancePosition,
  judgeBatch,
  planBatch,
  type SlicePlan,
  type Topics,
  topicsNamed,
} from '../replay/batch-plan.ts';
import type { Rules } from '../replay/decide.ts';
import type { Delivered } from '../replay/delivered.ts';
import type { Position } from '../replay/position.ts';

/**
 * Judges messages and makes their records in slices, with a turn of the event loop after each. All peers of a sidecar share one
 * thread, and what a peer sends decides how long its batch takes: 8 MB in one go kept the others, the heartbeats to Kafka and the
 * probes waiting for up to a second.
 */

/** Payload that is judged or encoded in one go, in bytes: some milliseconds. A single larger message is a slice of its own. */
export const SLICE_BYTES = 256 * 1024;
/** What a message costs besides its payload, expressed in bytes: thousands of empty messages are work as well. */
const MESSAGE_BYTES = 4 * 1024;
/** A slice up to here waits for no turn: the few messages of a quiet peer need not queue behind the slices of busy ones. */
const SMALL_BYTES = 32 * 1024;

/** By what messages are judged and planned. */
export interface Planning {
  readonly rules: Rules;
  /** The name of the LfhSyncPeer. */
  readonly peer: string;
  /**
   * Plans by what Kafka says about the topics that messages name.
   *
   * @param named the formats of the messages
   */
  readonly withTopics: (named: readonly string[], plan: (topics: Topics) => SlicePlan) => Promise<SlicePlan>;
}

/** What is planned, and the last message of it. */
export interface PlannedSlice {
  readonly plan: SlicePlan;
  readonly slice: readonly Delivered[];
}

/**
 * Plans messages that follow each other, a slice at a time. Each plan has to be used before the next one is asked for.
 *
 * @param before the position before the first
 * @param written how many records of their batch come before theirs
 * @throws whatever `withTopics` throws; the plans before are valid
 */
export async function* planInSlices(
  deliveries: readonly Delivered[],
  before: Position,
  written: number,
  { rules, peer, withTopics }: Planning,
): AsyncGenerator<PlannedSlice> {
  let at = before;
  let records = written;
  for (const slice of slicesOf(deliveries)) {
    if (slice.reduce((sum, delivered) => sum + costOf(delivered), 0) > SMALL_BYTES) await nextTurn();
    const [position, count] = [at, records];
    const judged = await inTurns(judgeBatch(slice, position, rules));
    const plan = await withTopics(topicsNamed(judged), (topics) =>
      planBatch(judged, topics, position, peer, rules.maxMessageBytes, Date.now(), count),
    );
    yield { plan, slice };
    at = advancePosition(at, slice.at(-1));
    records += plan.records.length;
  }
}

/** Cuts a batch, in its order, so that no slice but that of a single message has more than {@link SLICE_BYTES}. */
export function slicesOf(deliveries: readonly Delivered[]): Delivered[][] {
  const slices: Delivered[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const delivered of deliveries) {
    const size = costOf(delivered);
    if (bytes + size > SLICE_BYTES) {
      slices.push([]);
      bytes = 0;
    }
    slices.at(-1)?.push(delivered);
    bytes += size;
  }
  return slices;
}

function costOf({ payload }: Delivered): number {
  return payload.byteLength + MESSAGE_BYTES;
}

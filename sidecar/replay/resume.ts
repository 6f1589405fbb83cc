import type { StartFrom } from '../../common/contract/peers.ts';
import type { Delivered, ResetAnswer } from './delivered.ts';
import type { Position } from './position.ts';

/** Where to go on with a peer, from what Kafka and the peer's durable say. */
export type Resume =
  /** Go on after the position, and let the durable go back to `resetTo`. */
  | { readonly kind: 'continue'; readonly position: Position; readonly resetTo: number }
  /** Nothing was replayed yet: write this position before anything else. */
  | { readonly kind: 'begin'; readonly position: Position }
  /** The stream is another one than the position speaks of: its messages are all new. */
  | { readonly kind: 'recreated'; readonly position: Position }
  /** No position, but the durable's floor may have been acked by us: find out before going on. */
  | { readonly kind: 'unproven'; readonly floor: number };

/**
 * Compares the stored position with the durable's answer to a reset.
 *
 * Streams count from 1 again when they are made anew, so the identity is compared before the position is trusted. A
 * server before 2.15 tells none: there the durable goes back at least to the message at the position, so that what comes
 * shows by its time stamps which stream it is (see {@link isOfAnotherStream}).
 */
export function resume(
  stored: Position | undefined,
  answer: ResetAnswer,
  begin: { readonly stream: string; readonly from: number },
): Resume {
  if (stored === undefined) {
    // A new durable of a stream whose first messages have expired has a floor as well.
    if (answer.floor > 0) return { kind: 'unproven', floor: answer.floor };
    return { kind: 'begin', position: firstPosition(begin.stream, answer.identity, begin.from) };
  }
  const recreated =
    stored.stream !== begin.stream ||
    (stored.identity !== null && answer.identity !== null && stored.identity !== answer.identity);
  if (recreated) {
    return { kind: 'recreated', position: firstPosition(begin.stream, answer.identity, stored.from) };
  }
  const known = stored.identity !== null && answer.identity !== null;
  return {
    kind: 'continue',
    position: { ...stored, identity: answer.identity ?? stored.identity, consumerSequence: 0 },
    resetTo: known ? stored.sequence : Math.max(0, Math.min(stored.sequence - 1, answer.floor)),
  };
}

/** A position before the first message. */
export function firstPosition(stream: string, identity: string | null, from: number): Position {
  return { stream, identity, sequence: 0, time: 0, consumerSequence: 0, from };
}

/** How far a server's clock may step back between two messages before we take their stream for two streams. */
const CLOCK_STEP_MS = 1000;

/**
 * Whether a delivery shows that the stream is not the one the position speaks of. For servers that tell no identity.
 *
 * The message at the position has the position's time stamp, exactly. One before it cannot be younger, but for a clock
 * that was set back; in a stream made anew it is younger by as long as it took somebody to make it.
 */
export function isOfAnotherStream(delivered: Delivered, position: Position): boolean {
  if (delivered.streamSequence > position.sequence) return false;
  if (delivered.streamSequence === position.sequence) return delivered.time !== position.time;
  return delivered.time > position.time + CLOCK_STEP_MS;
}

/**
 * The time before which a peer's messages are not wanted, in milliseconds since 1970. Evaluated once, when there is no
 * position, and kept in it from then on.
 */
export function startTime(startFrom: StartFrom, now: number): number {
  if (startFrom.policy === 'Latest') return now;
  return startFrom.policy === 'Time' ? Date.parse(startFrom.time) : 0;
}

import type { StartFrom } from '../../common/contract/peers.ts';
import { TransientError } from '../../common/errors.ts';
import type { Delivered, ResetAnswer } from './delivered.ts';
import type { Position } from './position.ts';

/** Where to go on with a peer, from what Kafka and the peer's durable say. */
export type Resume =
  /** Go on after the position, and reset the durable to `resetTo`. */
  | { readonly kind: 'continue'; readonly position: Position; readonly resetTo: number }
  /** Nothing was replayed yet: write this position before anything else. */
  | { readonly kind: 'begin'; readonly position: Position }
  /** The stream is not the one that the position was written for, so all of its messages are new. */
  | { readonly kind: 'recreated'; readonly position: Position }
  /** There is no position, but we may have acknowledged everything up to the durable's floor: find out before going on. */
  | { readonly kind: 'unproven'; readonly floor: number };

/**
 * Compares the stored position with the durable's answer to a reset.
 *
 * A stream that is recreated counts from 1 again, so the identity is compared before the position is trusted. A server
 * before 2.15 reports no identity. There the durable goes back at least to the message at the position, so that the time
 * stamps of the next deliveries show which stream it is (see {@link isOfAnotherStream}).
 */
export function resume(
  stored: Position | undefined,
  answer: ResetAnswer,
  begin: { readonly stream: string; readonly from: number },
): Resume {
  if (stored === undefined) {
    // A new durable has a floor as well, when the first messages of its stream have expired.
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

/** How far a server's clock may step back between two messages before their stream is taken for two streams. */
const CLOCK_STEP_MS = 1000;

/**
 * Whether a delivery shows that the stream is not the one that the position was written for. For servers that report no
 * identity.
 *
 * The message at the position has exactly the position's time stamp. A message before it cannot be younger, unless the
 * clock was set back. In a recreated stream it is younger by at least the time that it took to recreate the stream.
 */
export function isOfAnotherStream(delivered: Delivered, position: Position): boolean {
  if (delivered.streamSequence > position.sequence) return false;
  if (delivered.streamSequence === position.sequence) return delivered.time !== position.time;
  return delivered.time > position.time + CLOCK_STEP_MS;
}

/** Thrown when {@link isOfAnotherStream} shows during a replay that the peer's stream was recreated. */
export class AnotherStreamError extends TransientError {
  constructor(delivered: Delivered) {
    super(
      'StreamRecreated',
      `message ${delivered.streamSequence} is younger than the position: the peer has recreated its stream`,
    );
  }
}

/**
 * The time before which a peer's messages are not wanted, in milliseconds since 1970. It is evaluated once, when there is
 * no position, and kept in the position from then on.
 */
export function startTime(startFrom: StartFrom, now: number): number {
  if (startFrom.policy === 'Latest') return now;
  return startFrom.policy === 'Time' ? Date.parse(startFrom.time) : 0;
}

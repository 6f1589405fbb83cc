import { TransientError } from '../../common/errors.ts';
import type { Delivered } from './delivered.ts';
import type { Position } from './position.ts';
import { sameIdentity } from './resume.ts';

/** Where a message stands in a stream. */
export interface Place {
  readonly sequence: number;
  /** When the stream stored it, in milliseconds since 1970. */
  readonly time: number;
}

/** What looks into a peer's stream say of the position. */
export type Finding =
  /** The stream holds what was replayed, or it held that until it expired. */
  | 'same'
  /** Nothing that was replayed is in the stream. */
  | 'anew'
  /** The stream is empty. Only its next message can show where it stands. */
  | 'empty'
  /** Something that was replayed is in the stream, and the message at the position is not. */
  | 'diverged';

/**
 * Judges by the first message for us at or after the position.
 *
 * The message at the position proves by its sequence and its time that everything before it is what was replayed: a stream
 * that went back and grew again has another message there. This holds whatever the stream is called, so a stream that was
 * restored from a backup, and has a new identity by that, is not replayed once more.
 *
 * Where a later one is there, and the identity is the same, the message at the position is `gone`: its age has taken it, or
 * somebody has deleted it, or the stream went back and that sequence is now a message for somebody else, such as an announcement.
 *
 * @param next undefined where there is none
 * @param identity of the stream now
 * @returns undefined where this does not tell
 */
export function judgeByNext(
  next: Place | undefined,
  position: Position,
  identity: string | null,
): 'same' | 'gone' | undefined {
  if (next === undefined) return undefined;
  if (next.sequence === position.sequence) return next.time === position.time ? 'same' : undefined;
  return sameIdentity(position.identity, identity) ? 'gone' : undefined;
}

/**
 * Judges by the last message for us before a position whose message is gone. In a stream that went back and grew again the last
 * one is younger than the position, and was never replayed. Where it is not, or where there is none, nothing before the position is
 * new, and what is replayed goes on behind it.
 */
export function judgeByLast(last: Place | undefined, position: Position): 'same' | undefined {
  return last === undefined || last.time <= position.time ? 'same' : undefined;
}

/** Judges by the first message of the whole stream, where the others left it open. */
export function judgeByFirst(
  first: Place | undefined,
  position: Position,
  identity: string | null,
): Exclude<Finding, 'same'> {
  if (first === undefined) return sameIdentity(position.identity, identity) ? 'empty' : 'anew';
  return first.time > position.time ? 'anew' : 'diverged';
}

/** How far a server's clock may step back between two messages before their stream is taken for two streams. */
const CLOCK_STEP_MS = 1000;

/**
 * Whether a delivery shows that the stream is not the one that the position was written for. It is asked of every delivery,
 * since a server that cannot reset (before 2.14) does not let us look, and an empty stream shows nothing before.
 *
 * The message at the position has exactly the position's time stamp. A message before it cannot be younger, unless the clock
 * was set back a little; so it is another stream's if it is younger by more than that.
 *
 * A durable that counts anew was recreated or put back, and its stream may have been as well. There the clock gets no
 * allowance: a stream may be recreated within a second, and its messages would be taken for those that were replayed.
 */
export function isOfAnotherStream(delivered: Delivered, position: Position): boolean {
  if (delivered.streamSequence > position.sequence) return false;
  if (delivered.streamSequence === position.sequence) return delivered.time !== position.time;
  const countsAnew = delivered.consumerSequence <= position.consumerSequence;
  return delivered.time > position.time + (countsAnew ? 0 : CLOCK_STEP_MS);
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

import type { StartFrom } from '../../common/contract/peers.ts';
import type { ResetAnswer } from './delivered.ts';
import type { Position } from './position.ts';

/** Where to go on with a peer, from what Kafka and the peer's durable say. */
export type Resume =
  /** Go on after the position, once `session/prove-stream.ts` has shown that the stream is the one that it speaks of. */
  | { readonly kind: 'continue'; readonly position: Position }
  /** Nothing was replayed yet: write this position before anything else. */
  | { readonly kind: 'begin'; readonly position: Position }
  /** The stream is not the one that the position was written for, so all of its messages are new. */
  | { readonly kind: 'recreated'; readonly position: Position }
  /** There is no position, but we may have acknowledged everything up to the durable's floor: find out before going on. */
  | { readonly kind: 'unproven'; readonly floor: number };

/** Compares the stored position with the durable's answer to a reset. */
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
  const unread = stored.sequence === 0 && !sameIdentity(stored.identity, answer.identity);
  if (stored.stream !== begin.stream || unread) {
    return { kind: 'recreated', position: firstPosition(begin.stream, answer.identity, stored.from) };
  }
  return { kind: 'continue', position: { ...stored, consumerSequence: 0 } };
}

/** Whether two identities may be those of one stream. A server before 2.15 reports none. */
export function sameIdentity(one: string | null, other: string | null): boolean {
  return one === null || other === null || one === other;
}

/** A position before the first message. */
export function firstPosition(stream: string, identity: string | null, from: number): Position {
  return { stream, identity, sequence: 0, time: 0, consumerSequence: 0, from };
}

/**
 * The time before which a peer's messages are not wanted, in milliseconds since 1970. It is evaluated once, when there is
 * no position, and kept in the position from then on.
 */
export function startTime(startFrom: StartFrom, now: number): number {
  if (startFrom.policy === 'Latest') return now;
  return startFrom.policy === 'Time' ? Date.parse(startFrom.time) : 0;
}

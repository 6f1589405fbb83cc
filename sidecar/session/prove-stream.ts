import { TransientError } from '../../common/errors.ts';
import type { Peeked, PeerStream } from '../ports.ts';
import { type Finding, judgeByFirst, judgeByLast, judgeByNext, type Place } from '../replay/another-stream.ts';
import type { ResetAnswer } from '../replay/delivered.ts';
import type { Position } from '../replay/position.ts';

/** What {@link proveStream} found, with what the stream holds where it had to look that far. */
export interface Proof {
  readonly finding: Finding;
  readonly first?: Place | undefined;
  readonly count?: number;
}

/**
 * Finds out whether a peer's stream is the one that the position speaks of. A stream's identity does not show it: nats-server
 * makes it of the time at which the stream was made, so a store that was put back from an older copy, or has lost its end in a
 * power cut, has the same one; and a position can be one that the peer's server invented.
 *
 * So the message *at* the position is looked at, and where it is not there, the first one of the stream and the last one before
 * the position. A look moves the durable: reset it afterwards.
 *
 * @param answer to the reset to just before the position
 * @throws TransientError `StreamRecreated` when that happens meanwhile
 */
export async function proveStream(stream: PeerStream, answer: ResetAnswer, position: Position): Promise<Proof> {
  if (position.sequence === 0) return { finding: 'same' };
  const { identity } = answer;
  const byNext = judgeByNext(await look(stream, answer), position, identity);
  if (byNext === 'same') return { finding: byNext };
  const all = await resetTo(stream, identity, 0);
  const first = await look(stream, all);
  if (byNext === 'gone') {
    const last = await lastBefore(stream, identity, first, position.sequence);
    if (judgeByLast(last, position) === 'same') return { finding: 'same' };
  }
  return { finding: judgeByFirst(first, position, identity), first, count: all.pending };
}

/**
 * Looks for the last message for us before a sequence. A durable shows only what comes next, so the place is halved until it is
 * found: some 20 looks for a million messages.
 *
 * @param first of the whole stream
 */
async function lastBefore(
  stream: PeerStream,
  identity: string | null,
  first: Place | undefined,
  sequence: number,
): Promise<Place | undefined> {
  if (first === undefined || first.sequence >= sequence) return undefined;
  let last = first;
  for (let end = sequence - 1; last.sequence < end; ) {
    const middle = last.sequence + Math.ceil((end - last.sequence) / 2);
    const next = await look(stream, await resetTo(stream, identity, middle - 1));
    // A server that does not keep to what was asked for must not keep us here.
    if (next !== undefined && next.sequence >= middle && next.sequence <= end) last = next;
    else end = middle - 1;
  }
  return last;
}

/**
 * Looks at the next message after a reset.
 *
 * @returns undefined where there is none
 */
export async function look(stream: PeerStream, { pending: count }: ResetAnswer): Promise<Peeked | undefined> {
  if (count === 0) return undefined;
  const place = await stream.peek();
  if (place) return place;
  // An administrator may have paused the durable, or the messages have just expired. The next take-over looks again.
  const message = `${stream.server} delivered no message although it has ${count} for us: has somebody paused our durable there?`;
  throw new TransientError('Unreachable', message);
}

/**
 * Resets the durable to after `sequence`.
 * @param identity of the stream, as the first reset of this take-over told it
 * @throws TransientError `StreamRecreated` when the stream is another one now
 */
export async function resetTo(stream: PeerStream, identity: string | null, sequence: number): Promise<ResetAnswer> {
  const answer = await stream.reset(sequence);
  if (answer?.identity !== identity) {
    throw new TransientError('StreamRecreated', 'the stream was recreated while its durable was being reset');
  }
  return answer;
}

/** The error for a stream with which nobody but a person can decide how to go on. docs/operations.md says at what price. */
export function diverged({ stream, sequence, time }: Position, { first, count = 0 }: Proof): TransientError {
  const holds = first ? `${count} others, from message ${first.sequence} of ${timeText(first.time)} on` : 'none';
  return new TransientError(
    'StreamDiverged',
    `the peer's stream ${stream} does not have message ${sequence} of ${timeText(time)}, which is the last that was replayed ` +
      `here, but ${holds}. It was put back from an older copy, has lost its end, or that message was deleted. Nothing is ` +
      `replayed until you decide: set spec.receive.restart to position ${sequence} and the time from which on messages are new ` +
      'here; docs/operations.md, StreamDiverged, says at what price',
  );
}

/** A server may invent any time, also one that no date can hold. */
function timeText(ms: number): string {
  return ms <= 8.64e15 ? new Date(ms).toISOString() : `${ms} ms since 1970`;
}

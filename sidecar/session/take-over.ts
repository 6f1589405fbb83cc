import type { SyncName } from '../../common/contract/names.ts';
import { TransientError } from '../../common/errors.ts';
import type { KafkaPort, PeerStream, ReplayWriter } from '../ports.ts';
import { Chain } from '../replay/chain.ts';
import type { ResetAnswer } from '../replay/delivered.ts';
import type { Position } from '../replay/position.ts';
import { firstPosition, resume } from '../replay/resume.ts';

/** What a replay begins with once the peer is ours and its durable delivers from the position that Kafka holds. */
export interface TakenOver {
  readonly writer: ReplayWriter;
  readonly position: Position;
  readonly chain: Chain;
  /** What the durable has to deliver after the position; null when that is not known. */
  readonly pending: number | null;
  /** Whether the peer's stream turned out to be a recreated one. */
  readonly recreated: boolean;
  /** Whether the server can reset a durable (2.14 on). */
  readonly canReset: boolean;
  /** Whether Kafka already held a position. */
  readonly stored: boolean;
}

export interface TakeOverRequest {
  /** The sync name of the peer's node, not the name of its LfhSyncPeer. */
  readonly peer: SyncName;
  readonly stream: string;
  /** Where to start when there is no position; see `startTime()`. */
  readonly from: number;
  /** Whether the last session saw messages of another stream, on a server that reports no identity. */
  readonly anotherStream: boolean;
  /** For a server that cannot reset: what its next deliveries must be, when a sweep has found that out. */
  readonly swept?: Chain | undefined;
}

/**
 * Takes a peer over: fences earlier writers, reads the position, resets the durable to it, and demands an unbroken chain of
 * deliveries from there. docs/architecture.md, "One take-over", says why in this order.
 *
 * @throws TransientError, and whatever the ports throw
 */
export async function takeOver(kafka: KafkaPort, stream: PeerStream, request: TakeOverRequest): Promise<TakenOver> {
  const { writer, position: stored } = await kafka.takeOver(request.peer);
  try {
    const answer = await stream.reset();
    const resumed = answer
      ? await resumeAfterReset(stream, answer, stored, request)
      : resumeWithoutReset(stored, request);
    // This is written before the first pull, so that from here on a missing position means that it was lost.
    if (resumed.begin) {
      await writer.send([], resumed.position);
      await writer.commit();
    }
    const { begin: _written, ...start } = resumed;
    return { writer, ...start, canReset: answer !== undefined, stored: stored !== undefined };
  } catch (error) {
    await writer.close();
    throw error;
  }
}

interface Resumed {
  readonly position: Position;
  readonly chain: Chain;
  readonly pending: number | null;
  readonly begin: boolean;
  readonly recreated: boolean;
}

async function resumeAfterReset(
  stream: PeerStream,
  answer: ResetAnswer,
  stored: Position | undefined,
  request: TakeOverRequest,
): Promise<Resumed> {
  const begin = { stream: request.stream, from: request.from };
  const found = resume(request.anotherStream && stored ? { ...stored, stream: '' } : stored, answer, begin);
  const chain = new Chain(0);
  switch (found.kind) {
    case 'continue': {
      const { position } = found;
      const pending = pendingAfter(await resetTo(stream, answer, found.resetTo), position);
      return { position, chain, pending, begin: false, recreated: false };
    }
    case 'begin':
      return { position: found.position, chain, pending: answer.pending, begin: true, recreated: false };
    case 'recreated': {
      const { pending } = await resetTo(stream, answer, 0);
      return { position: found.position, chain, pending, begin: true, recreated: true };
    }
    case 'unproven': {
      await proveNothingReplayed(stream, found.floor);
      const position = { ...firstPosition(request.stream, answer.identity, request.from), sequence: found.floor };
      return { position, chain, pending: answer.pending, begin: true, recreated: false };
    }
  }
}

/** @returns the answer for the place where the durable stands now */
async function resetTo(stream: PeerStream, answer: ResetAnswer, sequence: number): Promise<ResetAnswer> {
  if (answer.floor === sequence) return answer;
  const again = await stream.reset(sequence);
  if (again?.identity !== answer.identity) {
    throw new TransientError('StreamRecreated', 'the stream was recreated while its durable was being reset');
  }
  return again;
}

/** A durable that went back further than the position delivers some messages again, and does not say how many. */
function pendingAfter({ floor, pending }: ResetAnswer, { sequence }: Position): number | null {
  return floor === sequence || pending === 0 ? pending : null;
}

/** How often to count again when messages arrive during the count. */
const PROOF_ATTEMPTS = 20;

/**
 * Throws `PositionLost` unless it is proven that nothing below the durable's ack floor was ever acknowledged.
 *
 * An ack floor alone proves nothing: a durable that was made after the stream's first messages had expired has one too. But
 * the stream still has the message *at* the floor only if that message was delivered and acknowledged, and it has the message
 * if stepping back by one makes one more message pending. The floor is put back at once, because it is the only evidence.
 */
async function proveNothingReplayed(stream: PeerStream, floor: number): Promise<void> {
  for (let attempt = 0; attempt < PROOF_ATTEMPTS; attempt += 1) {
    const before = await stream.reset(floor);
    const oneBack = await stream.reset(floor - 1);
    const after = await stream.reset(floor);
    if (before === undefined || oneBack === undefined || after === undefined) break;
    if (oneBack.pending <= before.pending) return;
    if (before.pending === after.pending) throw positionLost(`it has acknowledged everything up to ${floor}`);
  }
  throw new TransientError('Unreachable', 'messages arrive faster than the durable can be examined; trying again');
}

function resumeWithoutReset(stored: Position | undefined, request: TakeOverRequest): Resumed {
  if (stored === undefined) {
    const position = firstPosition(request.stream, null, request.from);
    return { position, chain: new Chain(0), pending: null, begin: false, recreated: false };
  }
  const recreated = stored.stream !== request.stream || request.anotherStream;
  const position = recreated ? firstPosition(request.stream, null, stored.from) : { ...stored, identity: null };
  const chain = request.swept ?? new Chain(stored.consumerSequence);
  return { position, chain, pending: null, begin: recreated, recreated };
}

/** The error for a durable that is ahead of us while Kafka holds no position: going on would lose or repeat messages. */
export function positionLost(evidence: string): TransientError {
  return new TransientError(
    'PositionLost',
    `Kafka holds no position for this peer although ${evidence}. Restore the LFH_SYNC_POSITION topic; or, to replay ` +
      "everything the peer still has, ask the peer's administrator to delete and re-create our durable consumer",
  );
}

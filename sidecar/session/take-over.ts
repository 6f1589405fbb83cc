import { EXCEPTION_TOPIC, SYNC_TOPIC, type SyncName } from '../../common/contract/names.ts';
import type { Restart } from '../../common/contract/peers.ts';
import { TransientError } from '../../common/errors.ts';
import type { KafkaPort, PeerStream, ReplayWriter } from '../ports.ts';
import { Chain } from '../replay/chain.ts';
import type { ResetAnswer } from '../replay/delivered.ts';
import type { Position } from '../replay/position.ts';
import { firstPosition, resume, startTime } from '../replay/resume.ts';
import { type CutMessage, type Fetched, fetchCut } from './fetch-cut.ts';
import { diverged, proveStream, resetTo } from './prove-stream.ts';

/** What a replay begins with once the peer is ours and its durable delivers from the position that Kafka holds. */
export interface TakenOver {
  readonly writer: ReplayWriter;
  readonly position: Position;
  readonly chain: Chain;
  /** What the durable has to deliver after the position; null when that is not known. */
  readonly pending: number | null;
  /** Whether the server can reset a durable (2.14 on). */
  readonly canReset: boolean;
  /** Whether Kafka already held a position. */
  readonly stored: boolean;
  /** What became of the messages that were to be fetched. */
  readonly fetched: Fetched;
}

export interface TakeOverRequest {
  /** The sync name of the peer's node, not the name of its LfhSyncPeer. */
  readonly peer: SyncName;
  readonly stream: string;
  /** Where to start when there is no position; see `startTime()`. */
  readonly from: number;
  /** What an administrator has decided about a stream that has diverged from the position. */
  readonly restart?: Restart | undefined;
  /** Whether the last session saw messages of another stream, on a server that reports no identity. */
  readonly anotherStream: boolean;
  /** For a server that cannot reset: what its next deliveries must be, when a sweep (`sweep.ts`) has found that out. */
  readonly swept?: Chain | undefined;
  /** Messages of the peer's stream that a redrive needs. */
  readonly wanted: readonly CutMessage[];
  /** What new topics of messages have to take. */
  readonly maxMessageBytes: number;
  /** Called with the position that Kafka holds, before anything of the peer is looked at: a person may have to decide by it. */
  readonly stored: (position: Position) => void;
  /**
   * Called when the stream turns out to be a new one, before its first position is written. The take-over may fail although Kafka
   * has committed that position, and the next one would then find nothing new.
   */
  readonly recreated: () => void;
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
    if (stored) request.stored(stored);
    // Without a position the durable's floor is the only evidence of what was replayed.
    const fetched: Fetched = stored ? await fetchCut(stream, request.wanted) : new Map();
    // To one before the position: so the durable delivers the message at the position once more, and `proveStream` can look at it.
    const answer = await stream.reset(stored && stored.sequence > 0 ? stored.sequence - 1 : undefined);
    const resumed = answer
      ? await resumeAfterReset(stream, answer, stored, request)
      : resumeWithoutReset(stored, request);
    if (resumed.recreated) request.recreated();
    // Each message needs these topics. While the first messages arrive, Kafka's answers would take a quarter of a second. A failure
    // must come before the position of a new stream is written: a sidecar that starts then would not see that the stream is new.
    await kafka.ensureTopics([SYNC_TOPIC, EXCEPTION_TOPIC], { maxMessageBytes: request.maxMessageBytes });
    // This is written before the first pull, so that from here on a missing position means that it was lost.
    if (resumed.begin) {
      await writer.send(writer.begin(), resumed.position);
      await writer.commit();
    }
    const { position, chain, pending } = resumed;
    return { writer, position, chain, pending, canReset: answer !== undefined, stored: stored !== undefined, fetched };
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
  const found = resume(stored, answer, { stream: request.stream, from: request.from });
  const chain = new Chain(0);
  switch (found.kind) {
    case 'continue':
      return goOn(stream, answer, found.position, request);
    case 'begin':
      return { position: found.position, chain, pending: answer.pending, begin: true, recreated: false };
    case 'recreated':
      return beginAnew(stream, answer, found.position);
    case 'unproven': {
      await proveNothingReplayed(stream, found.floor);
      const position = { ...firstPosition(request.stream, answer.identity, request.from), sequence: found.floor };
      return { position, chain, pending: answer.pending, begin: true, recreated: false };
    }
  }
}

/** Goes on after the position, if the stream is proven to be the one that the position speaks of. */
async function goOn(
  stream: PeerStream,
  answer: ResetAnswer,
  position: Position,
  { restart }: TakeOverRequest,
): Promise<Resumed> {
  const proof = await proveStream(stream, answer, position);
  const { finding } = proof;
  const begin = (from: number): Promise<Resumed> =>
    beginAnew(stream, answer, firstPosition(position.stream, answer.identity, from));
  if (finding === 'anew') return begin(position.from);
  if (finding === 'diverged') {
    if (restart?.position === position.sequence) return begin(startTime(restart.startFrom, Date.now()));
    // The peer's operator compares the durable's floor with the stream's end, so the floor must tell what was replayed.
    await resetTo(stream, answer.identity, position.sequence);
    throw diverged(position, proof);
  }
  // The next message of an empty stream may have any sequence, and must be seen whatever it is.
  const { pending } = await resetTo(stream, answer.identity, finding === 'empty' ? 0 : position.sequence);
  const identity = answer.identity ?? position.identity;
  return { position: { ...position, identity }, chain: new Chain(0), pending, begin: false, recreated: false };
}

async function beginAnew(stream: PeerStream, answer: ResetAnswer, position: Position): Promise<Resumed> {
  const { pending } = await resetTo(stream, answer.identity, 0);
  return { position, chain: new Chain(0), pending, begin: true, recreated: true };
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

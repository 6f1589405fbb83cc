import { type Kafka, Partitioners, type Producer } from 'kafkajs';
import { positionTopic, type SyncName, transactionalId } from '../../common/contract/names.ts';
import { TransientError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { ReplayWriter } from '../ports.ts';
import { decodePosition, type Position } from '../replay/position.ts';
import { translate } from './errors.ts';
import { type FetchedRecord, Fetcher } from './fetch.ts';
import { endHangingTransaction } from './hanging-transaction.ts';
import type { Topics } from './topics.ts';
import { withTimeout } from './within.ts';
import { POSITION_KEY, TransactionalWriter } from './writer.ts';

/** After this Kafka aborts what a crashed sidecar left open, which readers of the same topics wait for. */
const TRANSACTION_TIMEOUT_MS = 10_000;
/** How long to wait for somebody else's transaction in a position topic, where nobody but us should write. */
const STABLE_DEADLINE_MS = 15_000;
const POLL_MS = 50;
/** Longest that a take-over may take, the wait for a foreign transaction included. */
const TAKE_OVER_DEADLINE_MS = 30_000;

export interface KafkaTakeOver {
  readonly kafka: Kafka;
  readonly topics: Topics;
  readonly node: string;
  readonly log: Logger;
}

/** Fences every earlier writer of a peer and then, not before, reads the peer's position. */
export async function fenceAndReadPosition(options: KafkaTakeOver, peer: SyncName): Promise<TakenOverInKafka> {
  const { kafka, topics, node, log } = options;
  const topic = positionTopic(peer);
  await requireCompaction(topics, topic);
  try {
    return await fenceAndRead(options, peer, 0);
  } catch (error) {
    if (!(error instanceof OpenTransactionError)) throw error;
    const { from, to } = error;
    const id = transactionalId(node, peer);
    const hanging = {
      kafka,
      transactionalId: id,
      transactionTimeoutMs: TRANSACTION_TIMEOUT_MS,
      positionTopic: topic,
      from,
      to,
    };
    const doing = `end a transaction that Kafka has left open in ${topic}`;
    const ended = await withTimeout(TAKE_OVER_DEADLINE_MS, endHangingTransaction(hanging), fellSilent).catch(
      (problem: unknown) => {
        throw translate(problem, doing);
      },
    );
    if (ended > 0) log.warn({ topic, transactions: ended }, ENDED);
    return await fenceAndRead(options, peer, STABLE_DEADLINE_MS);
  }
}

const ENDED =
  'Kafka had left a transaction of this sidecar open, neither committed nor aborted; it was aborted, and what it held is ' +
  'replayed again';

interface TakenOverInKafka {
  readonly writer: ReplayWriter;
  readonly position: Position | undefined;
}

/** @param stableMs how long a transaction that is open in the position topic is waited for */
async function fenceAndRead(
  { kafka, topics, node }: KafkaTakeOver,
  peer: SyncName,
  stableMs: number,
): Promise<TakenOverInKafka> {
  const topic = positionTopic(peer);
  const producer = kafka.producer({
    transactionalId: transactionalId(node, peer),
    transactionTimeout: TRANSACTION_TIMEOUT_MS,
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  const writer = new TransactionalWriter(producer, topics, peer, topic);
  const read = async (): Promise<Position | undefined> => {
    await fence(producer);
    return readPosition(kafka, topic, await topics.firstOffset(topic), stableMs);
  };
  try {
    return { writer, position: await withTimeout(TAKE_OVER_DEADLINE_MS, read(), fellSilent) };
  } catch (error) {
    await writer.close();
    throw translate(error, `take over ${peer}`);
  }
}

/** Thrown while something is open in a position topic, from its last stable offset to its end. */
class OpenTransactionError extends TransientError {
  readonly from: bigint;
  readonly to: bigint;

  constructor(topic: string, from: bigint, to: bigint) {
    super(
      'KafkaUnavailable',
      `a transaction that is not ours is open in ${topic}; waiting for its end. If it does not end, ` +
        'kafka-transactions.sh find-hanging tells whose it is',
    );
    this.from = from;
    this.to = to;
  }
}

function fellSilent(): Error {
  return new TransientError(
    'KafkaUnavailable',
    `Kafka has not answered withTimeout ${TAKE_OVER_DEADLINE_MS / 1000} s of a take-over`,
  );
}

/** kafkajs asks for a producer id, which is what fences, only with the first transaction. */
async function fence(producer: Producer): Promise<void> {
  await producer.connect();
  const transaction = await producer.transaction();
  await transaction.abort();
}

async function requireCompaction(topics: Topics, topic: string): Promise<void> {
  const found = (await topics.ensure([topic], { fresh: true })).get(topic);
  if (found && 'cleanupPolicy' in found && found.cleanupPolicy === 'compact') return;
  throw new TransientError(
    'TopicNotCompacted',
    `${topic} must have cleanup.policy=compact and nothing else: Kafka would delete the position of a peer that is silent for ` +
      'long. Set it with kafka-configs.sh',
  );
}

/**
 * Reads to the high watermark of the first fetch, which was made after fencing: whatever our predecessor committed is
 * below it. The last stable offset would not do, since it stays behind while any transaction is open.
 */
async function readPosition(
  kafka: Kafka,
  topic: string,
  first: bigint,
  stableMs: number,
): Promise<Position | undefined> {
  const fetcher = new Fetcher(kafka);
  try {
    await fetcher.connect();
    const newest = await readNewest(fetcher, topic, first, stableMs);
    if (!newest?.value) return undefined;
    const position = decodePosition(newest.value.toString('utf8'));
    if (position) return position;
    throw new TransientError(
      'PositionLost',
      `record ${newest.offset} of ${topic} is not a position: something else has written there. Nothing is replayed before ` +
        'it is repaired, since any guess would lose or repeat messages',
    );
  } finally {
    await fetcher.disconnect();
  }
}

async function readNewest(
  fetcher: Fetcher,
  topic: string,
  first: bigint,
  stableMs: number,
): Promise<FetchedRecord | undefined> {
  const deadline = performance.now() + stableMs;
  let newest: FetchedRecord | undefined;
  let next = first;
  let target: bigint | undefined;
  for (;;) {
    const fetched = await fetcher.fetch(topic, 0, next);
    target ??= fetched.highWatermark;
    newest = fetched.records.findLast(({ key }) => key?.toString('utf8') === POSITION_KEY) ?? newest;
    const stuck = fetched.next === next;
    next = fetched.next;
    if (next >= target) return newest;
    if (!stuck) continue;
    if (performance.now() >= deadline) throw new OpenTransactionError(topic, next, target);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

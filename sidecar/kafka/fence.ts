import { type Kafka, Partitioners, type Producer } from 'kafkajs';
import { type FhirServerId, positionTopic, type SyncName, transactionalId } from '../../common/contract/names.ts';
import { TransientError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { ReplayWriter } from '../ports.ts';
import { decodePosition, encodePosition, type Position } from '../replay/position.ts';
import type { OpenClient } from './connections.ts';
import { translate } from './errors.ts';
import { type FetchedRecord, Fetcher } from './fetch.ts';
import { endHangingTransaction } from './hanging-transaction.ts';
import { withTimeout } from './timeout.ts';
import type { Topics } from './topics.ts';
import { POSITION_KEY, TransactionalWriter } from './writer.ts';

/** Kafka aborts a transaction that is older than this. After a crash, readers of the same topics wait that long. */
const TRANSACTION_TIMEOUT_MS = 10_000;
/** How long to wait for the end of a foreign transaction in a position topic. Nobody but us should write there. */
const STABLE_DEADLINE_MS = 15_000;
const POLL_MS = 50;
/** The longest time that a take-over may take, including the wait for a foreign transaction. */
const TAKE_OVER_DEADLINE_MS = 30_000;

export interface KafkaTakeOver {
  readonly open: OpenClient;
  readonly topics: Topics;
  readonly node: string;
  readonly log: Logger;
}

/**
 * Fences every earlier writer of a peer, and only then reads the peer's position.
 *
 * The order matters: an earlier writer that is not fenced yet could still commit a newer position.
 */
export async function fenceAndReadPosition(options: KafkaTakeOver, peer: SyncName): Promise<TakenOverInKafka> {
  const topic = positionTopic(peer);
  const id = transactionalId(options.node, peer);
  const { writer, newest } = await fenceAndRead(options, { owner: peer, transactionalId: id, topic });
  const position = newest?.value ? decodePosition(newest.value.toString('utf8')) : undefined;
  if (newest?.value && position === undefined) {
    await writer.close();
    throw positionLost(topic, newest);
  }
  return {
    writer: {
      send: (records, after) => writer.send(records, encodePosition(after)),
      commit: () => writer.commit(),
      close: () => writer.close(),
    },
    position,
  };
}

/** The error for a position topic in which something else was written. */
export function positionLost(topic: string, { offset }: FetchedRecord): TransientError {
  return new TransientError(
    'PositionLost',
    `record ${offset} of ${topic} is not a position: something else has written there. Nothing goes on before it is ` +
      'repaired, since any guess would lose or repeat messages',
  );
}

interface TakenOverInKafka {
  readonly writer: ReplayWriter;
  readonly position: Position | undefined;
}

/** What is taken over: a peer, or the transmission to a FHIR server. */
export interface Claim {
  readonly owner: SyncName | FhirServerId;
  readonly transactionalId: string;
  /** The position topic. */
  readonly topic: string;
}

/** Fences every earlier writer, and only then reads the newest record of the position topic. */
export async function fenceAndRead(options: KafkaTakeOver, claim: Claim): Promise<FencedAndRead> {
  const { topics, log } = options;
  const { topic, transactionalId: id } = claim;
  await topics.ensure([topic], { maxAgeMs: 0 });
  try {
    return await tryToFenceAndRead(options, claim, 0);
  } catch (error) {
    if (!(error instanceof OpenTransactionError)) throw error;
    const { from, to } = error;
    const client = options.open();
    const hanging = {
      kafka: client.kafka,
      topics,
      transactionalId: id,
      transactionTimeoutMs: TRANSACTION_TIMEOUT_MS,
      positionTopic: topic,
      from,
      to,
    };
    const doing = `end a transaction that Kafka has left open in ${topic}`;
    const ending = client.guard(endHangingTransaction(hanging));
    const ended = await withTimeout(TAKE_OVER_DEADLINE_MS, ending, timedOut)
      .catch((problem: unknown) => {
        throw translate(problem, doing);
      })
      .finally(() => client.end());
    if (ended > 0) log.warn({ topic, transactions: ended }, ENDED);
    return await tryToFenceAndRead(options, claim, STABLE_DEADLINE_MS);
  }
}

const ENDED =
  'Kafka had left a transaction of this sidecar open, neither committed nor aborted; it was aborted, and its messages are ' +
  'replayed again';

interface FencedAndRead {
  readonly writer: TransactionalWriter;
  /** The newest record of the position topic. */
  readonly newest: FetchedRecord | undefined;
}

/** @param stableMs how long to wait for the end of a transaction that is open in the position topic */
async function tryToFenceAndRead(
  { open, topics }: KafkaTakeOver,
  { owner, transactionalId: id, topic }: Claim,
  stableMs: number,
): Promise<FencedAndRead> {
  const client = open();
  const producer = client.kafka.producer({
    transactionalId: id,
    transactionTimeout: TRANSACTION_TIMEOUT_MS,
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  const writer = new TransactionalWriter({ client, producer, topics, owner, positionTopic: topic });
  const read = async (): Promise<FetchedRecord | undefined> => {
    await fence(producer);
    return readPosition(client.kafka, topic, stableMs);
  };
  try {
    return { writer, newest: await withTimeout(TAKE_OVER_DEADLINE_MS, client.guard(read()), timedOut) };
  } catch (error) {
    await writer.close();
    throw translate(error, `take over ${owner} in Kafka`);
  }
}

/** Thrown while a transaction is open in a position topic. `from` is the last stable offset, `to` the high watermark. */
class OpenTransactionError extends TransientError {
  readonly from: bigint;
  readonly to: bigint;

  constructor(topic: string, from: bigint, to: bigint) {
    super(
      'KafkaUnavailable',
      `a transaction that is not ours is open in ${topic}; waiting for its end. If it does not end, ` +
        'kafka-transactions.sh find-hanging shows whose it is',
    );
    this.from = from;
    this.to = to;
  }
}

function timedOut(): Error {
  return new TransientError(
    'KafkaUnavailable',
    `Kafka did not complete a take-over within ${TAKE_OVER_DEADLINE_MS / 1000} s`,
  );
}

/** Requesting a producer id is what fences. kafkajs requests it only when the first transaction begins. */
async function fence(producer: Producer): Promise<void> {
  await producer.connect();
  const transaction = await producer.transaction();
  await transaction.abort();
}

/**
 * Reads up to the high watermark of the first fetch. That fetch is made after fencing, so everything that an earlier
 * writer committed is below it. The last stable offset is not enough: it stays behind while any transaction is open.
 */
async function readPosition(kafka: Kafka, topic: string, stableMs: number): Promise<FetchedRecord | undefined> {
  const fetcher = new Fetcher(kafka);
  try {
    await fetcher.connect();
    return await readNewest(fetcher, topic, await fetcher.firstOffset(topic, 0), stableMs);
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

import type { Kafka } from 'kafkajs';
import { type OwnedName, positionTopic, type SyncName, transactionalId } from '../../common/contract/names.ts';
import { TransientError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { ReplayWriter } from '../ports.ts';
import { decodePosition, encodePosition, type Position } from '../replay/position.ts';
import type { OpenClient } from './connections.ts';
import { TRANSACTION_TIMEOUT_MS } from './coordinator.ts';
import { translate } from './errors.ts';
import { type FetchedRecord, Fetcher } from './fetch.ts';
import { type Ended, endHangingTransaction } from './hanging-transaction.ts';
import { OpenTransactionError, type Range, readStored, type Stored } from './stored.ts';
import { withTimeout } from './timeout.ts';
import type { Topics } from './topics.ts';
import { POSITION_KEY, TransactionalWriter } from './writer.ts';

/** How long to wait for the end of a foreign transaction in a position topic. Nobody but us should write there. */
const STABLE_DEADLINE_MS = 15_000;
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
      begin: () => writer.begin(),
      send: (batch, after) => writer.send(batch, encodePosition(after)),
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

/** What is taken over: a peer, the transmission to a FHIR server, or the announcements. */
export interface Claim {
  readonly owner: OwnedName;
  readonly transactionalId: string;
  /** The position topic. */
  readonly topic: string;
  /** Whether the topic holds more than the position: the marks of a redrive. */
  readonly hasMarks?: boolean;
}

/** Fences every earlier writer, and only then reads what the position topic holds. */
export async function fenceAndRead(options: KafkaTakeOver, claim: Claim): Promise<FencedAndRead> {
  const { topics } = options;
  const { topic } = claim;
  await topics.ensure([topic], { maxAgeMs: 0 });
  try {
    const { aborted, ...found } = await tryToFenceAndRead(options, claim, 0);
    if (aborted === undefined) return found;
    // What was aborted here may be open elsewhere: see endHangingTransaction.
    await found.writer.close();
    sayEnded(options, claim, await endOpen(options, claim, aborted, 'aborted'), 'aborted');
  } catch (error) {
    if (!(error instanceof OpenTransactionError)) throw error;
    sayEnded(options, claim, await endOpen(options, claim, error, 'open'), 'open');
  }
  const { aborted: _again, ...found } = await tryToFenceAndRead(options, claim, STABLE_DEADLINE_MS);
  return found;
}

/** Ends in every partition what our own transactions left in a range of the position topic. */
async function endOpen(
  { open, topics, log }: KafkaTakeOver,
  claim: Claim,
  { from, to }: Range,
  positions: 'open' | 'aborted',
): Promise<Ended> {
  const { topic, transactionalId: id } = claim;
  const client = open();
  const hanging = {
    client,
    topics,
    transactionalId: id,
    transactionTimeoutMs: TRANSACTION_TIMEOUT_MS,
    positionTopic: topic,
    from,
    to,
    positions,
    log,
  };
  const ending = client.guard(endHangingTransaction(hanging));
  try {
    return await withTimeout(TAKE_OVER_DEADLINE_MS, ending, timedOut);
  } catch (problem) {
    throw translate(problem, `end a transaction that Kafka has left open in ${topic}`);
  } finally {
    client.end();
  }
}

/** @param found what the position topic has shown; that a transaction was aborted is nothing to tell of */
function sayEnded(
  { log }: KafkaTakeOver,
  { topic }: Claim,
  { ours, committed, torn, unseen }: Ended,
  found: 'open' | 'aborted',
): void {
  if (committed > 0) log.warn({ topic, positions: committed }, COMMITTED);
  if (torn.length > 0) log.warn({ topic, partitions: torn }, TORN);
  if (unseen.length > 0) log.warn({ topic, partitions: unseen }, UNSEEN);
  if (found === 'open' && ours > committed) log.warn({ topic, transactions: ours - committed }, ENDED);
}

const COMMITTED =
  'Kafka had committed a transaction of this sidecar, and left the position open or aborted it; the position was written again';
const TORN =
  'Kafka has committed a transaction of this sidecar in some partitions, and in the ones named here it was aborted, or may have ' +
  'been where they do not show it; its messages are replayed again, and are twice where it was committed';
const UNSEEN =
  'whether the partitions named here have all of that transaction cannot be seen, which takes the right READ on their topics; it ' +
  'is taken for committed there, since no later one is known that was aborted there';
const ENDED =
  'Kafka had left a transaction of this sidecar open, neither committed nor aborted; it was aborted, and its messages are ' +
  'replayed again';

interface FencedAndRead extends Stored {
  readonly writer: TransactionalWriter;
}

/** @param stableMs how long to wait for the end of a transaction that is open in the position topic */
async function tryToFenceAndRead(
  { open, topics, log }: KafkaTakeOver,
  claim: Claim,
  stableMs: number,
): Promise<FencedAndRead & { readonly aborted: Range | undefined }> {
  const { owner, transactionalId, topic } = claim;
  const client = open();
  const writer = new TransactionalWriter({ client, topics, owner, transactionalId, positionTopic: topic });
  const read = async (): Promise<Stored & { readonly aborted: Range | undefined }> => {
    await writer.fence(TRANSACTION_TIMEOUT_MS);
    const end = await writer.markEnd();
    const stored = await readPosition(client.kafka, claim, end, stableMs);
    const aborted = await findAborted(client.kafka, topic, stored.newest, end);
    // What the first try finds aborted, it is not known of before the second whether it was committed elsewhere.
    const isDecided = aborted === undefined || stableMs > 0;
    if (stored.newest) await writer.finishCommit(stored.newest, isDecided, log);
    return { ...stored, aborted };
  };
  try {
    return { writer, ...(await withTimeout(TAKE_OVER_DEADLINE_MS, client.guard(read()), timedOut)) };
  } catch (error) {
    await writer.close();
    throw translate(error, `take over ${owner} in Kafka`);
  }
}

function timedOut(): Error {
  return new TransientError(
    'KafkaUnavailable',
    `Kafka did not complete a take-over within ${TAKE_OVER_DEADLINE_MS / 1000} s`,
  );
}

async function readPosition(
  kafka: Kafka,
  { topic, hasMarks = false }: Claim,
  end: bigint,
  stableMs: number,
): Promise<Stored> {
  const fetcher = new Fetcher(kafka);
  try {
    await fetcher.connect();
    const range = { from: await fetcher.firstOffset(topic, 0), to: end };
    return await readStored(fetcher, topic, range, { marks: hasMarks, stableMs });
  } finally {
    await fetcher.disconnect();
  }
}

/** A position is followed by the marker of its commit, and by the end. What else is there, was aborted or marked an end. */
const OFFSETS_OF_A_COMMIT = 2n;

/** @returns where there are positions behind the newest that was committed, which all were aborted; undefined where none are */
async function findAborted(
  kafka: Kafka,
  topic: string,
  newest: FetchedRecord | undefined,
  end: bigint,
): Promise<Range | undefined> {
  const after = newest === undefined ? 0n : BigInt(newest.offset);
  if (end - after <= (newest === undefined ? 0n : OFFSETS_OF_A_COMMIT)) return undefined;
  const fetcher = new Fetcher(kafka, 'uncommitted');
  try {
    await fetcher.connect();
    const first = await fetcher.firstOffset(topic, 0);
    const from = newest === undefined ? first : after + 1n;
    const records = await fetcher.read(topic, 0, from, end);
    return records.some(({ key }) => key?.toString('utf8') === POSITION_KEY) ? { from, to: end } : undefined;
  } finally {
    await fetcher.disconnect();
  }
}

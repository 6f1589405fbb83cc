import type { Logger } from '../../common/log.ts';
import { recordValue } from '../replay/record-value.ts';
import { BatchSender } from './batch-sender.ts';
import { BufferPool } from './buffer-pool.ts';
import { type Cluster, createCluster } from './cluster.ts';
import { type Evidence, findEvidence, type StateOf } from './commit-evidence.ts';
import type { Client } from './connections.ts';
import { TransactionCoordinator } from './coordinator.ts';
import { isLeaderless, protocolError, waitsForLeader } from './errors.ts';
import { type FetchedRecord, Fetcher } from './fetch.ts';
import { type BatchRecord, keyOf, type Place, type ProducerIdentity, RecordBatch } from './record-batch.ts';
import { Sequences } from './sequences.ts';
import type { Topics } from './topics.ts';
import { isWrittenAgain, joinedHeaders, namesPartitions, writtenAgain, writtenPlaces } from './transaction-headers.ts';

export interface Hanging {
  readonly client: Client;
  readonly topics: Topics;
  readonly transactionalId: string;
  readonly transactionTimeoutMs: number;
  readonly positionTopic: string;
  /** Where in the position topic the open transaction begins, and up to where to look for more. */
  readonly from: bigint;
  readonly to: bigint;
  /** How the position topic has what is there. */
  readonly positions: 'open' | 'aborted';
  readonly log: Logger;
}

/** What became of the records that a take-over has found behind the position. */
export interface Ended extends Evidence {
  /** How many of them are ours; 0 means that the open transaction is somebody else's. */
  readonly ours: number;
}

/**
 * Ends our own transactions that Kafka has left open in the position topic, in every partition that they wrote to.
 *
 * After a new producer id was requested no transaction of ours should be open, and yet it happens. When a partition has
 * no leader at the moment of a commit or an abort, Kafka 4.3 mistakes it for a deleted partition, reports the transaction
 * as complete and writes no marker there (`KRaftMetadataCache.getPartitionLeaderEndpoint`). A single broker that stands
 * still for longer than its session is enough. Readers of committed records then wait for ever in all these topics, and
 * the next transaction of the same producer would carry the forgotten records along.
 *
 * The position topic alone does not show it. Kafka has told us that the transaction is complete, so the next one begins. Where
 * that one is aborted, its markers also end what was forgotten in the partitions that both wrote to, such as the position's, and
 * in no other. So what was aborted behind the newest position is aborted once more, in every partition.
 *
 * With several brokers, other partitions may have got the commit. What is committed in one of them counts: its position is
 * written again, and {@link finishCommit} commits the rest with the next take-over. What is committed nowhere is aborted, because
 * a reader cannot know whether it was complete. Its messages are replayed again from the position before it. So are those of what
 * is committed in one partition and lost in another.
 *
 * Fences every producer with this transactional id.
 *
 * @throws what kafkajs throws
 */
export async function endHangingTransaction(hanging: Hanging): Promise<Ended> {
  const { client, topics, transactionalId, transactionTimeoutMs, positionTopic, log } = hanging;
  const cluster = createCluster(client.kafka);
  try {
    await cluster.connect();
    await cluster.addTargetTopic(positionTopic);
    const coordinator = new TransactionCoordinator(client, cluster, transactionalId);
    const by = await coordinator.initProducer(transactionTimeoutMs);
    const found = await readOpen(hanging);
    const isOurs = (record?: FetchedRecord): boolean => record?.batchContext.producerId === String(by.producerId);
    const ours = found.filter(isOurs);
    if (ours.length === 0) return { ours: 0, ...NOTHING };
    const places = ours.flatMap(writtenPlaces);
    const stateOf = await findStates(topics, places);
    // What is open begins where it was looked for. Where that is not ours, nothing tells how ours was ended.
    const positions = isOurs(found[0]) ? hanging.positions : 'aborted';
    const { counts, ...evidence } = await decide(client, ours, stateOf, positions);
    // What is open where these wrote may be theirs, and be committed later.
    const spared = new Set(counts.flatMap(writtenPlaces).map(keyOf));
    await coordinator.addPartitions(by, [{ topic: positionTopic, partition: 0 }]);
    await coordinator.addAllowed(
      by,
      places.filter((place) => stateOf(place) !== 'gone' && !spared.has(keyOf(place))),
      log,
    );
    await coordinator.end(by, 'abort');
    if (counts.length > 0) await writeAgain(hanging, { cluster, coordinator, by }, counts);
    return { ours: ours.length, ...evidence };
  } finally {
    await cluster.disconnect();
  }
}

const NOTHING: Evidence = { committed: 0, torn: [], unseen: [] };

/**
 * Decides which records count.
 *
 * A take-over that wrote some again, and ended before that was committed, had decided already. It has left everything as it was
 * where these wrote, and its own copies show less than what they were made from. The position is the last of them: where it is
 * missing, they are not all there, and what they were made from is looked at again.
 */
async function decide(
  client: Client,
  ours: readonly FetchedRecord[],
  stateOf: StateOf,
  positions: 'open' | 'aborted',
): Promise<Evidence & { readonly counts: readonly FetchedRecord[] }> {
  const newest = ours.at(-1);
  if (newest && isWrittenAgain(newest) && namesPartitions(newest)) {
    const counts = ours.filter((record) => isWrittenAgain(record) && epochOf(record) === epochOf(newest));
    return { ...NOTHING, committed: counts.length, counts };
  }
  // Every session looks at what the one before it has left, so only the last one's can be undecided.
  const written = ours.filter((record) => !isWrittenAgain(record));
  const epoch = written.map(epochOf).at(-1);
  const undecided = written.filter((record) => epochOf(record) === epoch);
  const evidence = await findEvidence(client, undecided, stateOf, positions);
  return { ...evidence, counts: undecided.slice(0, evidence.committed) };
}

function epochOf({ batchContext }: FetchedRecord): number {
  return batchContext.producerEpoch;
}

interface Writing {
  readonly cluster: Cluster;
  readonly coordinator: TransactionCoordinator;
  readonly by: ProducerIdentity;
}

/** Writes what records of the position topic come to once more, and commits it. */
async function writeAgain(
  { client, topics, transactionalId, positionTopic }: Hanging,
  { cluster, coordinator, by }: Writing,
  records: readonly FetchedRecord[],
): Promise<void> {
  const place = { topic: positionTopic, partition: 0 };
  const { maxMessageBytes } = topics.known(positionTopic);
  const pool = new BufferPool();
  const sequences = new Sequences();
  const batches: RecordBatch[] = [];
  for (const record of copiesOf(records)) {
    if (batches.at(-1)?.add(record)) continue;
    const batch = new RecordBatch(place, maxMessageBytes, pool, Date.now());
    batch.add(record);
    batches.push(batch);
  }
  for (const batch of batches) batch.seal(by, sequences.take(place, batch.count));
  await coordinator.addPartitions(by, [place]);
  await new BatchSender(client, cluster).send(batches, transactionalId);
  await coordinator.end(by, 'commit');
}

/**
 * What is written in place of some records of a position topic. Pure. Of each key the newest is enough, since nobody reads another
 * one. The position comes last: where it is there, all of it is.
 */
export function copiesOf(records: readonly FetchedRecord[]): readonly BatchRecord[] {
  const positions = records.filter(namesPartitions);
  const newest = new Map(records.map((record) => [record.key?.toString('utf8') ?? null, record]));
  return [...newest]
    .map(([key, record]) => ({ key, record, isPosition: namesPartitions(record) }))
    .toSorted((one, other) => Number(one.isPosition) - Number(other.isPosition))
    .map(({ key, record: { value, headers }, isPosition }) => ({
      key,
      value: value && recordValue(value),
      headers: isPosition ? joinedHeaders(positions) : writtenAgain(headers),
    }));
}

/** Tells what was deleted since, or was made again with fewer partitions: nobody waits there, and Kafka would refuse all. */
async function findStates(topics: Topics, places: readonly Place[]): Promise<StateOf> {
  const counts = new Map<string, number | undefined>();
  for (const topic of new Set(places.map((place) => place.topic))) {
    counts.set(topic, await countPartitions(topics, topic));
  }
  return ({ topic, partition }) => {
    const count = counts.get(topic);
    if (count === undefined) return 'hidden';
    return partition < count ? 'there' : 'gone';
  };
}

/** @returns undefined where we may not know */
async function countPartitions(topics: Topics, topic: string): Promise<number | undefined> {
  try {
    return (await topics.count([topic])).get(topic);
  } catch (error) {
    if (isLeaderless(error)) throw waitsForLeader([topic], error);
    if (protocolError(error)?.type === 'TOPIC_AUTHORIZATION_FAILED') return undefined;
    throw error;
  }
}

async function readOpen({ client, positionTopic, from, to }: Hanging): Promise<FetchedRecord[]> {
  const fetcher = new Fetcher(client.kafka, 'uncommitted');
  try {
    await fetcher.connect();
    return await fetcher.read(positionTopic, 0, from, to);
  } finally {
    await fetcher.disconnect();
  }
}

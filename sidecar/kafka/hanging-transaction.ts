import { recordValue } from '../replay/record-value.ts';
import { BatchSender } from './batch-sender.ts';
import { BufferPool } from './buffer-pool.ts';
import { type Cluster, createCluster } from './cluster.ts';
import { findEvidence } from './commit-evidence.ts';
import type { Client } from './connections.ts';
import { TransactionCoordinator } from './coordinator.ts';
import { type FetchedRecord, Fetcher } from './fetch.ts';
import { keyOf, type Place, type ProducerIdentity, RecordBatch } from './record-batch.ts';
import { Sequences } from './sequences.ts';
import type { Topics } from './topics.ts';
import { writtenPlaces } from './transaction-headers.ts';

export interface Hanging {
  readonly client: Client;
  readonly topics: Topics;
  readonly transactionalId: string;
  readonly transactionTimeoutMs: number;
  readonly positionTopic: string;
  /** Where in the position topic the open transaction begins, and up to where to look for more. */
  readonly from: bigint;
  readonly to: bigint;
}

/** What became of the records that a take-over has found behind the position. */
export interface Ended {
  /** How many of them are ours; 0 means that the open transaction is somebody else's. */
  readonly ours: number;
  /** How many of ours count, since their transactions were committed elsewhere. The others were aborted. */
  readonly committed: number;
  /** Whether a transaction was aborted that is committed in some partitions, where its messages will be twice. */
  readonly isTorn: boolean;
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
 * a reader cannot know whether it was complete. Its messages are replayed again from the position before it.
 *
 * Fences every producer with this transactional id.
 *
 * @throws what kafkajs throws
 */
export async function endHangingTransaction(hanging: Hanging): Promise<Ended> {
  const { client, topics, transactionalId, transactionTimeoutMs, positionTopic } = hanging;
  const cluster = createCluster(client.kafka);
  try {
    await cluster.connect();
    await cluster.addTargetTopic(positionTopic);
    const coordinator = new TransactionCoordinator(client, cluster, transactionalId);
    const by = await coordinator.initProducer(transactionTimeoutMs);
    const found = await readOpen(hanging);
    const ours = found.filter(({ batchContext }) => batchContext.producerId === String(by.producerId));
    if (ours.length === 0) return { ours: 0, committed: 0, isTorn: false };
    const places = await existing(topics, [{ topic: positionTopic, partition: 0 }, ...ours.flatMap(writtenPlaces)]);
    // Every session looks at what the one before it has left, so only the last one's can be undecided.
    const epoch = ours.at(-1)?.batchContext.producerEpoch;
    const undecided = ours.filter(({ batchContext }) => batchContext.producerEpoch === epoch);
    const evidence = await findEvidence(client.kafka, undecided, new Set(places.map(keyOf)));
    const counts = undecided.slice(0, evidence.committed);
    // What is open where these wrote may be theirs, and be committed later.
    const spared = new Set(counts.flatMap(writtenPlaces).map(keyOf));
    await coordinator.addPartitions(
      by,
      places.filter((place) => !spared.has(keyOf(place))),
    );
    await coordinator.end(by, 'abort');
    if (counts.length > 0) await writeAgain(hanging, { cluster, coordinator, by }, counts);
    return { ours: ours.length, ...evidence };
  } finally {
    await cluster.disconnect();
  }
}

interface Writing {
  readonly cluster: Cluster;
  readonly coordinator: TransactionCoordinator;
  readonly by: ProducerIdentity;
}

/** Writes records to the position topic once more, and commits them. */
async function writeAgain(
  { client, topics, transactionalId, positionTopic }: Hanging,
  { cluster, coordinator, by }: Writing,
  records: readonly FetchedRecord[],
): Promise<void> {
  const place = { topic: positionTopic, partition: 0 };
  const { maxMessageBytes } = topics.known(positionTopic);
  const pool = new BufferPool();
  const sequences = new Sequences();
  const batches = records.map(({ key, value, headers }) => {
    const batch = new RecordBatch(place, maxMessageBytes, pool, Date.now());
    const texts = Object.entries(headers).map(([name, bytes]) => [name, bytes.toString('utf8')]);
    batch.add({
      key: key && key.toString('utf8'),
      value: value && recordValue(value),
      headers: Object.fromEntries(texts),
    });
    batch.seal(by, sequences.take(place, batch.count));
    return batch;
  });
  await coordinator.addPartitions(by, [place]);
  await new BatchSender(client, cluster).send(batches, transactionalId);
  await coordinator.end(by, 'commit');
}

/** Leaves out what was deleted since, or was made again with fewer partitions: nobody waits there, and Kafka would refuse all. */
async function existing(topics: Topics, places: readonly Place[]): Promise<readonly Place[]> {
  const counts = await topics.count(new Set(places.map(({ topic }) => topic)));
  return places.filter(({ topic, partition }) => partition < (counts.get(topic) ?? 0));
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

import { createCluster } from './cluster.ts';
import type { Client } from './connections.ts';
import { TransactionCoordinator } from './coordinator.ts';
import { type FetchedRecord, Fetcher } from './fetch.ts';
import type { Place } from './record-batch.ts';
import type { Topics } from './topics.ts';

/** A header of each position record. It holds, as JSON, the partition of each topic that the transaction wrote to. */
export const PARTITIONS_HEADER = 'partitions';

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

/**
 * Aborts our own transactions that Kafka has left open, in every partition that they wrote to.
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
 * The transaction is aborted and not committed, because a reader cannot know whether it was complete. Its messages are
 * replayed again from the position before it.
 *
 * Fences every producer with this transactional id.
 *
 * @returns how many open position records are ours; 0 means that the open transaction is somebody else's
 * @throws what kafkajs throws
 */
export async function endHangingTransaction(hanging: Hanging): Promise<number> {
  const { client, topics, transactionalId, transactionTimeoutMs, positionTopic } = hanging;
  const cluster = createCluster(client.kafka);
  try {
    await cluster.connect();
    await cluster.addTargetTopic(positionTopic);
    const coordinator = new TransactionCoordinator(client, cluster, transactionalId);
    const by = await coordinator.initProducer(transactionTimeoutMs);
    const found = await readOpen(hanging);
    const ours = found.filter(({ batchContext }) => batchContext.producerId === String(by.producerId));
    if (ours.length === 0) return 0;
    await coordinator.addPartitions(
      by,
      await existing(topics, [{ topic: positionTopic, partition: 0 }, ...ours.flatMap(writtenTo)]),
    );
    await coordinator.end(by, 'abort');
    return ours.length;
  } finally {
    await cluster.disconnect();
  }
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

function writtenTo({ headers }: FetchedRecord): Place[] {
  const partitions = headers[PARTITIONS_HEADER];
  if (!partitions) return [];
  const byTopic = JSON.parse(partitions.toString('utf8')) as Record<string, number>;
  return Object.entries(byTopic).map(([topic, partition]) => ({ topic, partition }));
}

import type { Kafka } from 'kafkajs';
// kafkajs cannot end a transaction in which it has sent nothing; see docs/adr/0003-kafkajs-internals.md.
import createEosManager from 'kafkajs/src/producer/eosManager/index.js';
import { createCluster } from './cluster.ts';
import { type FetchedRecord, Fetcher } from './fetch.ts';

/** On a position record: the partition of each topic that its transaction wrote to, in JSON. */
export const PARTITIONS_HEADER = 'partitions';

export interface Hanging {
  readonly kafka: Kafka;
  readonly transactionalId: string;
  readonly transactionTimeoutMs: number;
  readonly positionTopic: string;
  /** The last stable offset of the position topic, behind which something is open, and where it ends. */
  readonly from: bigint;
  readonly to: bigint;
}

/**
 * Ends what Kafka has left open of our own transactions in a position topic, as aborted, in every partition it wrote to.
 *
 * Once a producer id was asked for anew nothing of ours can be open, and yet it happens: where a partition has no leader
 * at the moment of a commit or an abort, Kafka 4.3 takes it for deleted, says that the transaction is complete and writes
 * no marker there (`KRaftMetadataCache.getPartitionLeaderEndpoint`). That takes no more than a single broker that stands
 * still for longer than its session. Readers of committed records then wait in all these topics for ever, and the next
 * transaction of the same producer would carry the forgotten records along.
 *
 * Aborted and not committed, since who reads the transaction cannot know that it was whole. What it held is replayed
 * again from the position before it.
 *
 * Fences every producer with this transactional id.
 *
 * @returns how many transactions' positions were found open; 0 when what is open is somebody else's
 * @throws what kafkajs throws
 */
export async function endHangingTransaction(hanging: Hanging): Promise<number> {
  const { kafka, transactionalId, transactionTimeoutMs: transactionTimeout, positionTopic } = hanging;
  const cluster = createCluster(kafka);
  try {
    await cluster.connect();
    const manager = createEosManager({
      logger: kafka.logger(),
      cluster,
      transactional: true,
      transactionalId,
      transactionTimeout,
    });
    await manager.initProducerId();
    const found = await readOpen(hanging);
    const ours = found.filter(({ batchContext }) => batchContext.producerId === manager.getProducerId());
    if (ours.length === 0) return 0;
    manager.beginTransaction();
    const partitions = [[positionTopic, 0] as const, ...ours.flatMap(partitionsOf)];
    await manager.addPartitionsToTransaction(
      partitions.map(([topic, partition]) => ({ topic, partitions: [{ partition }] })),
    );
    await manager.abort();
    return ours.length;
  } finally {
    await cluster.disconnect();
  }
}

async function readOpen({ kafka, positionTopic, from, to }: Hanging): Promise<FetchedRecord[]> {
  const fetcher = new Fetcher(kafka, 'uncommitted');
  try {
    await fetcher.connect();
    return await fetcher.read(positionTopic, 0, from, to);
  } finally {
    await fetcher.disconnect();
  }
}

function partitionsOf({ headers }: FetchedRecord): [string, number][] {
  const partitions = headers[PARTITIONS_HEADER];
  return partitions ? Object.entries(JSON.parse(partitions.toString('utf8')) as Record<string, number>) : [];
}

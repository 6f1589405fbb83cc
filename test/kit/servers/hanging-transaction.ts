import { COORDINATOR, createCluster, leaderOf } from '../../../sidecar/kafka/cluster.ts';
import type { KafkaServer } from './kafka.ts';

/** To give a Kafka that {@link leaveHanging} is used on: by default it refuses records of a transaction it knows nothing of. */
export const ALLOWS_HANGING = { 'transaction.partition.verification.enable': 'false' };

interface HangingRecord {
  readonly topic: string;
  readonly partition: number;
  readonly key: string | null;
  readonly value: string;
  readonly headers?: Readonly<Record<string, string>>;
}

interface Broker {
  produce(request: object): Promise<unknown>;
}

/**
 * Leaves Kafka with records in a transaction that nobody will ever end, since the coordinator does not know of it: what
 * Kafka's own mistakes come to. It fences the producer that used the transactional id before.
 */
export async function leaveHanging(
  kafka: KafkaServer,
  transactionalId: string,
  records: readonly HangingRecord[],
): Promise<void> {
  const client = kafka.client();
  const cluster = createCluster(client);
  await cluster.connect();
  try {
    await cluster.refreshMetadata();
    const coordinator = await cluster.findGroupCoordinator({
      groupId: transactionalId,
      coordinatorType: COORDINATOR.ofTransactions,
    });
    const producer = await coordinator.initProducerId({ transactionalId, transactionTimeout: 10_000 });
    for (const { topic, partition, ...message } of records) {
      const leader = (await leaderOf(cluster, topic, partition)) as unknown as Broker;
      await leader.produce({
        transactionalId,
        ...producer,
        topicData: [{ topic, partitions: [{ partition, firstSequence: 0, messages: [message] }] }],
      });
    }
  } finally {
    await cluster.disconnect();
  }
}

import { COORDINATOR, createCluster, leaderOf } from '../../../sidecar/kafka/cluster.ts';
import { until } from '../processes/process.ts';
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
    const producer = await producerOf(coordinator, transactionalId);
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

type Coordinator = Awaited<ReturnType<ReturnType<typeof createCluster>['findGroupCoordinator']>>;
type Producer = Awaited<ReturnType<Coordinator['initProducerId']>>;

/** Kafka refuses it for as long as it writes the markers of the former producer's transaction. */
async function producerOf(coordinator: Coordinator, transactionalId: string): Promise<Producer> {
  let producer: Producer | undefined;
  const given = async (): Promise<boolean> => {
    producer = await coordinator.initProducerId({ transactionalId, transactionTimeout: 10_000 });
    return true;
  };
  await until(`${transactionalId} has a producer id`, given);
  return producer as Producer;
}

/** Ends in some partitions only what is open there, by an abort: what comes of the next transaction of the same producer. */
export async function abortIn(
  kafka: KafkaServer,
  transactionalId: string,
  places: Readonly<Record<string, number>>,
): Promise<void> {
  const cluster = createCluster(kafka.client());
  await cluster.connect();
  try {
    const coordinator = await cluster.findGroupCoordinator({
      groupId: transactionalId,
      coordinatorType: COORDINATOR.ofTransactions,
    });
    const by = {
      transactionalId,
      ...(await producerOf(coordinator, transactionalId)),
    };
    const topics = Object.entries(places).map(([topic, partition]) => ({ topic, partitions: [partition] }));
    await coordinator.addPartitionsToTxn({ ...by, topics });
    await coordinator.endTxn({ ...by, transactionResult: false });
  } finally {
    await cluster.disconnect();
  }
}

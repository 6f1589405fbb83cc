import { COORDINATOR, createCluster, leaderOf } from '../../../sidecar/kafka/cluster.ts';
import { Sequences } from '../../../sidecar/kafka/sequences.ts';
import { transactionHeaders } from '../../../sidecar/kafka/transaction-headers.ts';
import { POSITION_KEY } from '../../../sidecar/kafka/writer.ts';
import { until } from '../processes/process.ts';
import type { KafkaServer } from './kafka.ts';

/** To give a Kafka that {@link leaveHanging} is used on: by default it refuses records of a transaction it knows nothing of. */
export const ALLOWS_HANGING = { 'transaction.partition.verification.enable': 'false' };

interface HangingRecord {
  readonly topic: string;
  readonly partition: number;
  readonly key: string | null;
  readonly value: string;
  /**
   * What a position says of its transaction; by default what the sidecar writes of all records between the position before it and
   * this one. What it says of their numbers is in any case of them.
   */
  readonly headers?: Readonly<Record<string, string>>;
  /** By how much the clock of whoever writes it is ahead of ours. */
  readonly aheadMs?: number;
}

interface Broker {
  produce(request: object): Promise<unknown>;
}

/**
 * Leaves Kafka with records in transactions that nobody will ever end, since the coordinator does not know of them: what
 * Kafka's own mistakes come to. It fences the producer that used the transactional id before. All transactions are of one session,
 * and each ends with its position.
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
    const sequences = new Sequences();
    let written: { topic: string; partition: number; lastSequence: number; timestamp: number }[] = [];
    for (const { topic, partition, aheadMs = 0, ...record } of records) {
      const leader = (await leaderOf(cluster, topic, partition)) as unknown as Broker;
      const timestamp = Date.now() + aheadMs;
      const { partitions, ...numbers } = transactionHeaders(producer, written);
      const headers = record.key === POSITION_KEY && { partitions, ...record.headers, ...numbers };
      const message = { ...record, ...(headers && { headers }), timestamp };
      const firstSequence = sequences.take({ topic, partition }, 1);
      await leader.produce({
        transactionalId,
        ...producer,
        topicData: [{ topic, partitions: [{ partition, firstSequence, messages: [message] }] }],
      });
      if (record.key === POSITION_KEY) written = [];
      else written.push({ topic, partition, lastSequence: firstSequence, timestamp });
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

/**
 * Ends in some partitions only what is open there, as Kafka does when only these have leaders, or as the next transaction of the
 * same producer does.
 */
export async function endIn(
  kafka: KafkaServer,
  transactionalId: string,
  how: 'commit' | 'abort',
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
    await coordinator.endTxn({ ...by, transactionResult: how === 'commit' });
  } finally {
    await cluster.disconnect();
  }
}

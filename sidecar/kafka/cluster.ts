import type { Kafka } from 'kafkajs';
import { TransientError } from '../../common/errors.ts';

/** The part of kafkajs's internal cluster object that we use. kafkajs publishes no types for it; see docs/adr/0003-kafkajs-internals.md. */
export interface Cluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  addTargetTopic(topic: string): Promise<void>;
  refreshMetadata(): Promise<void>;
  findLeaderForPartitions(topic: string, partitions: number[]): Record<string, number[]>;
  findBroker(options: { nodeId: string }): Promise<Broker>;
  findTopicPartitionMetadata(topic: string): readonly { readonly partitionId: number }[];
  fetchTopicsOffset(
    topics: { topic: string; partitions: { partition: number }[]; fromBeginning: boolean }[],
  ): Promise<{ topic: string; partitions: { partition: number; offset: string }[] }[]>;
}

interface Broker {
  fetch(request: object): Promise<{ responses: { topicName: string; partitions: FetchedPartition[] }[] }>;
}

export interface FetchedPartition {
  readonly partition: number;
  readonly errorCode: number;
  readonly highWatermark: string;
  readonly lastStableOffset: string;
  readonly messages: readonly { readonly offset: string }[];
}

/** Makes the object through which kafkajs itself sends requests to a cluster; nothing connects yet. */
export function createCluster(kafka: Kafka): Cluster {
  const symbol = Object.getOwnPropertySymbols(kafka).find(
    ({ description }) => description === 'private:Kafka:createCluster',
  );
  const create = symbol && (kafka as unknown as Record<symbol, (options: object) => Cluster>)[symbol];
  if (!create) throw new Error('this is not the kafkajs that sidecar/kafka/cluster.ts was written for (2.2.4)');
  return create({ metadataMaxAge: 60_000, allowAutoTopicCreation: false });
}

/** The broker that leads a partition. @throws TransientError when kafkajs knows of none, and what kafkajs throws */
export async function leaderOf(cluster: Cluster, topic: string, partition: number): Promise<Broker> {
  await cluster.addTargetTopic(topic);
  const [nodeId] = Object.keys(cluster.findLeaderForPartitions(topic, [partition]));
  if (nodeId === undefined)
    throw new TransientError('KafkaUnavailable', `Kafka knows no partition ${partition} of ${topic}`);
  return cluster.findBroker({ nodeId });
}

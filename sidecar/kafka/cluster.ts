import type { Kafka } from 'kafkajs';

/** The part of kafkajs's internal cluster object that we use. kafkajs publishes no types for it; see docs/adr/0003-kafkajs-internals.md. */
export interface Cluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  addTargetTopic(topic: string): Promise<void>;
  findLeaderForPartitions(topic: string, partitions: number[]): Record<string, number[]>;
  findBroker(options: { nodeId: string }): Promise<Broker>;
}

interface Broker {
  fetch(request: object): Promise<{ responses: { partitions: FetchedPartition[] }[] }>;
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

/** The broker to ask about a partition. @throws what kafkajs throws, where there is none */
export async function leaderOf(cluster: Cluster, topic: string, partition: number): Promise<Broker> {
  await cluster.addTargetTopic(topic);
  const leaders = cluster.findLeaderForPartitions(topic, [partition]);
  return cluster.findBroker({ nodeId: Object.keys(leaders)[0] ?? '' });
}

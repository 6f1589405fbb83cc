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
    topics: {
      topic: string;
      partitions: { partition: number }[];
      fromBeginning: boolean;
      /** In its place, milliseconds since 1970. */
      fromTimestamp?: number;
    }[],
  ): Promise<{ topic: string; partitions: { partition: number; offset: string }[] }[]>;
  readonly rootLogger: object;
  readonly brokerPool: { readonly seedBroker: Broker; createBroker(options: object): Broker };
  readonly connectionPoolBuilder: { build(address: { host: string; port: number }): Promise<object> };
}

interface Broker extends GroupCoordinator {
  connect(): Promise<void>;
  findGroupCoordinator(request: {
    groupId: string;
    coordinatorType: number;
  }): Promise<{ coordinator: { nodeId: number; host: string; port: number } }>;
  fetch(request: object): Promise<{ responses: { topicName: string; partitions: FetchedPartition[] }[] }>;
}

/** The broker that keeps a consumer group, as far as its members ask it. */
export interface GroupCoordinator {
  joinGroup(request: {
    groupId: string;
    /** Empty for somebody who was no member yet. */
    memberId: string;
    sessionTimeout: number;
    rebalanceTimeout: number;
    groupProtocols: { name: string; metadata: Buffer }[];
  }): Promise<{
    generationId: number;
    memberId: string;
    leaderId: string;
    /** Only the leader is told. */
    members: { memberId: string }[];
  }>;
  syncGroup(request: {
    groupId: string;
    memberId: string;
    generationId: number;
    groupAssignment: { memberId: string; memberAssignment: Buffer }[];
  }): Promise<{ memberAssignment: Buffer }>;
  heartbeat(request: { groupId: string; memberId: string; groupGenerationId: number }): Promise<unknown>;
  leaveGroup(request: { groupId: string; memberId: string }): Promise<unknown>;
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

/** Kafka's number for it; transactions have coordinators as well. */
const OF_A_GROUP = 0;

/**
 * Connects to the broker that coordinates a group. kafkajs's own way reads the metadata of all topics first, and asks
 * brokers that are gone.
 *
 * @throws what kafkajs throws
 */
export async function coordinatorOf(cluster: Cluster, groupId: string): Promise<GroupCoordinator> {
  await cluster.connect();
  const { brokerPool, connectionPoolBuilder, rootLogger: logger } = cluster;
  const { coordinator } = await brokerPool.seedBroker.findGroupCoordinator({ groupId, coordinatorType: OF_A_GROUP });
  const { nodeId, host, port } = coordinator;
  const connectionPool = await connectionPoolBuilder.build({ host, port });
  const broker = brokerPool.createBroker({ logger, nodeId, connectionPool });
  await broker.connect();
  return broker;
}

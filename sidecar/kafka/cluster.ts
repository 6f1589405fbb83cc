import type { Writable } from 'node:stream';
import type { Kafka } from 'kafkajs';
import { NoLeaderError } from './errors.ts';

/** The part of kafkajs's internal cluster object that we use. kafkajs publishes no types for it; see docs/adr/0003-kafkajs-internals.md. */
export interface Cluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  addTargetTopic(topic: string): Promise<void>;
  /** With one request; where Kafka refuses one of them, none is added. */
  addMultipleTargetTopics(topics: readonly string[]): Promise<void>;
  refreshMetadata(): Promise<void>;
  /** Asks for some topics, and no others: one without a leader fails the whole request. An empty list means all that there are. */
  metadata(options: { topics: readonly string[] }): Promise<Metadata>;
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
  /** The broker that coordinates a group, or a transactional id. */
  findGroupCoordinator(options: {
    groupId: string;
    coordinatorType: number;
  }): Promise<TransactionBroker & OffsetBroker>;
  readonly rootLogger: object;
  readonly brokerPool: {
    readonly seedBroker: Broker;
    createBroker(options: object): Broker;
    /** Does something with any broker that {@link Cluster.metadata} has named; with the next one where it fails. */
    withBroker<Value>(work: (found: { broker: Broker }) => Promise<Value>): Promise<Value>;
  };
  readonly connectionPoolBuilder: { build(address: { host: string; port: number }): Promise<object> };
}

interface Metadata {
  readonly brokers: readonly object[];
  readonly topicMetadata: readonly {
    readonly topic: string;
    readonly partitionMetadata: readonly { readonly replicas: readonly number[] }[];
  }[];
}

/** A connection to a broker, through kafkajs's own queue of requests. */
export interface Connection {
  readonly clientId: string;
  readonly socket: Writable;
  isConnected(): boolean;
  nextCorrelationId(): number;
  readonly requestQueue: {
    push(request: {
      entry: {
        apiKey: number;
        apiName: string;
        apiVersion: number;
        correlationId: number;
        resolve(answer: { payload: Buffer }): void;
        reject(error: Error): void;
      };
      expectResponse: true;
      /** In milliseconds. */
      requestTimeout: number;
      /** Called at once, or later where the broker has asked us to slow down. */
      sendRequest(): void;
    }): void;
    /** Sends nothing more for so long. @param ms as the broker has asked for */
    maybeThrottle(ms: number): void;
  };
}

/** The broker that coordinates transactions, as far as a producer asks it. Ids are decimal. */
interface TransactionBroker {
  initProducerId(request: {
    transactionalId: string;
    transactionTimeout: number;
  }): Promise<{ producerId: string; producerEpoch: number }>;
  addPartitionsToTxn(
    request: InTransaction & { topics: { topic: string; partitions: number[] }[] },
  ): Promise<{ errors: { topic: string; partitionErrors: { partition: number; errorCode: number }[] }[] }>;
  addOffsetsToTxn(request: InTransaction & { groupId: string }): Promise<unknown>;
  endTxn(request: InTransaction & { transactionResult: boolean }): Promise<unknown>;
}

/** The broker that keeps a group's offsets. */
interface OffsetBroker {
  txnOffsetCommit(
    request: InTransaction & {
      groupId: string;
      topics: { topic: string; partitions: { partition: number; offset: string }[] }[];
    },
  ): Promise<unknown>;
}

interface InTransaction {
  readonly transactionalId: string;
  readonly producerId: string;
  readonly producerEpoch: number;
}

export interface Broker extends GroupCoordinator {
  readonly connectionPool: {
    getConnection(): Promise<Connection>;
    send<Answer, Decoded extends { readonly clientSideThrottleTime: number }>(
      request: CustomRequest<Answer, Decoded>,
    ): Promise<Answer>;
  };
  /** The versions of Kafka's requests that it knows, by their numbers. */
  readonly versions: Readonly<Record<number, object>> | null;
  connect(): Promise<void>;
  findGroupCoordinator(request: {
    groupId: string;
    coordinatorType: number;
  }): Promise<{ coordinator: { nodeId: number; host: string; port: number } }>;
  listOffsets(request: {
    /** 0 counts what is not committed, 1 does not. */
    isolationLevel: 0 | 1;
    topics: { topic: string; partitions: { partition: number; timestamp: number }[] }[];
  }): Promise<{ responses: { topic: string; partitions: { partition: number; offset: string }[] }[] }>;
  describeConfigs(request: {
    resources: { type: number; name: string; configNames: string[] }[];
    includeSynonyms: boolean;
  }): Promise<{
    resources: { resourceName: string; configEntries: { configName: string; configValue: string }[] }[];
  }>;
  fetch(request: object): Promise<{ responses: { topicName: string; partitions: FetchedPartition[] }[] }>;
}

/** A request of Kafka's that kafkajs does not have. */
interface CustomRequest<Answer, Decoded> {
  readonly request: {
    readonly apiKey: number;
    readonly apiVersion: number;
    readonly apiName: string;
    /** @returns an encoder of kafkajs */
    encode(): Promise<object>;
  };
  readonly response: {
    decode(payload: Buffer): Promise<Decoded>;
    parse(decoded: Decoded): Answer;
  };
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
  readonly messages: readonly {
    readonly offset: string;
    /** The record batch that it is in; absent in the formats before Kafka 0.11. */
    readonly batchContext?: { readonly firstOffset: string; readonly lastOffsetDelta: number };
  }[];
}

/** Kafka's isolation levels. `committed` reads only up to the last stable offset, and the answer names aborted transactions. */
export const ISOLATION = { uncommitted: 0, committed: 1 } as const;

/** Makes the object through which kafkajs itself sends requests to a cluster; nothing connects yet. */
export function createCluster(kafka: Kafka): Cluster {
  const symbol = Object.getOwnPropertySymbols(kafka).find(
    ({ description }) => description === 'private:Kafka:createCluster',
  );
  const create = symbol && (kafka as unknown as Record<symbol, (options: object) => Cluster>)[symbol];
  if (!create) throw new Error('this is not the kafkajs that sidecar/kafka/cluster.ts was written for (2.2.4)');
  // Otherwise kafkajs asks for the last stable offset where the end of a partition is asked for.
  return create({ metadataMaxAge: 60_000, allowAutoTopicCreation: false, isolationLevel: ISOLATION.uncommitted });
}

/** The broker that leads a partition. @throws NoLeaderError when kafkajs knows of none, and what kafkajs throws */
export async function leaderOf(cluster: Cluster, topic: string, partition: number): Promise<Broker> {
  await cluster.addTargetTopic(topic);
  const [nodeId] = Object.keys(cluster.findLeaderForPartitions(topic, [partition]));
  if (nodeId === undefined) throw new NoLeaderError(`Kafka knows no partition ${partition} of ${topic}`);
  return cluster.findBroker({ nodeId });
}

/** Kafka's numbers for what has a coordinator. */
export const COORDINATOR = { ofGroup: 0, ofTransactions: 1 } as const;

/**
 * Connects to the broker that coordinates a group. kafkajs's own way reads the metadata of all topics first, and asks
 * brokers that are gone.
 *
 * @throws what kafkajs throws
 */
export async function coordinatorOf(cluster: Cluster, groupId: string): Promise<GroupCoordinator> {
  await cluster.connect();
  const { brokerPool, connectionPoolBuilder, rootLogger: logger } = cluster;
  const { coordinator } = await brokerPool.seedBroker.findGroupCoordinator({
    groupId,
    coordinatorType: COORDINATOR.ofGroup,
  });
  const { nodeId, host, port } = coordinator;
  const connectionPool = await connectionPoolBuilder.build({ host, port });
  const broker = brokerPool.createBroker({ logger, nodeId, connectionPool });
  await broker.connect();
  return broker;
}

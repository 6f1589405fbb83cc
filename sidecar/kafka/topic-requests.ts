import kafkajs, { type ITopicConfig, type Kafka } from 'kafkajs';
import { TransientError } from '../../common/errors.ts';
import { type Cluster, createCluster } from './cluster.ts';
import type { Client, OpenClient } from './connections.ts';
import { protocolError, translate } from './errors.ts';
import { closed } from './timeout.ts';
import type { Topic } from './topic-rules.ts';

const POLL_MS = 100;
/** A policy of the brokers forbids the settings of a new topic, or a managed Kafka does not know them. */
const CONFIG_REFUSED: readonly unknown[] = ['POLICY_VIOLATION', 'INVALID_CONFIG'];
/** After a topic was made, a broker may need this long to know it. */
const KNOWN_WITHIN_MS = 5_000;

/**
 * Asks Kafka about topics and makes them, one topic with each request, so that a refusal is always that topic's. Nothing
 * is remembered here. Connects when first needed, and again after every failure.
 *
 * kafkajs's admin client is used only to make topics. It asks for all topics that there are before each request but a few, and
 * fails where any of them has no leader: one that is none of ours would stop all peers.
 */
export class TopicRequests {
  readonly #open: OpenClient;
  #connection: Connection | undefined;

  constructor(open: OpenClient) {
    this.#open = open;
  }

  /** @returns undefined when there is no such topic */
  async describe(name: string): Promise<Topic | undefined> {
    const doing = `describe the topic ${name} in Kafka`;
    const layout = await this.#layout(name);
    if (layout === undefined) return undefined;
    const configs = await this.#request(doing, { topic: name, right: 'DESCRIBE_CONFIGS' }, (cluster) =>
      readConfigs(cluster, name),
    );
    const maxMessageBytes = Number(configs.get('max.message.bytes'));
    const cleanupPolicy = configs.get('cleanup.policy');
    // An answer without what was asked for is no answer: with a guess in its place records could be lost.
    if (!Number.isSafeInteger(maxMessageBytes) || maxMessageBytes <= 0 || !cleanupPolicy) {
      throw new TransientError('KafkaUnavailable', `Kafka does not say yet how the topic ${name} is set up`);
    }
    return { maxMessageBytes, ...layout, cleanupPolicy };
  }

  /** How many partitions a topic has; 0 when it does not exist. */
  async countPartitions(name: string): Promise<number> {
    return (await this.#layout(name))?.partitions ?? 0;
  }

  /** How many brokers there are now. @param topic one that there is */
  countBrokers(topic: string): Promise<number> {
    return this.#request('ask Kafka for its brokers', { topic, right: 'DESCRIBE' }, async (cluster) => {
      const { brokers } = await cluster.metadata({ topics: [topic] });
      return brokers.length;
    });
  }

  #layout(name: string): Promise<Layout | undefined> {
    return this.#request(`describe the topic ${name} in Kafka`, { topic: name, right: 'DESCRIBE' }, (cluster) =>
      readLayout(cluster, name).catch((error: unknown) => {
        if (protocolError(error)?.type === 'UNKNOWN_TOPIC_OR_PARTITION') return undefined;
        throw error;
      }),
    );
  }

  /**
   * Makes a topic, with the first of some configurations that no policy of the brokers forbids. A topic that somebody else
   * has made meanwhile is left as it is.
   */
  async create([config, ...others]: readonly ITopicConfig[]): Promise<Topic> {
    if (!config) throw new Error('a topic is made from at least one configuration');
    const { topic } = config;
    try {
      await this.#request(`make the topic ${topic} in Kafka`, { topic, right: 'CREATE' }, (_cluster, { kafka }) =>
        createTopic(kafka, config),
      );
    } catch (error) {
      const isAboutConfigs = CONFIG_REFUSED.includes(protocolError(error)?.type);
      if (others.length === 0 || !isAboutConfigs) throw error;
      return this.create(others);
    }
    for (const deadline = performance.now() + KNOWN_WITHIN_MS; performance.now() < deadline; ) {
      const made = await this.describe(topic);
      if (made) return made;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    throw new TransientError('KafkaUnavailable', `Kafka made the topic ${topic} and does not know it yet`);
  }

  async disconnect(): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    if (!connection) return;
    const { client, cluster } = connection;
    await closed(client.guard(cluster.then((connected) => connected.disconnect())));
    client.end();
  }

  /**
   * All peers share one connection. So what Kafka answers to one of them, such as a refusal, must leave the connection to the
   * others; and a request whose connection another one has ended is made once more.
   */
  async #request<Answer>(
    doing: string,
    requested: { topic?: string; right?: string },
    request: (cluster: Cluster, client: Client) => Promise<Answer>,
    mayRepeat = true,
  ): Promise<Answer> {
    const wasConnected = this.#connection !== undefined;
    const connection = this.#connected();
    let isConnected = false;
    try {
      return await connection.client.guard(
        connection.cluster.then((cluster) => {
          isConnected = true;
          return request(cluster, connection.client);
        }),
      );
    } catch (error) {
      if (isConnected && protocolError(error) !== undefined) throw translate(error, doing, requested);
      const wasEnded = this.#connection !== connection;
      if (!wasEnded) await this.disconnect();
      // Kafka closes connections that were idle for long, and kafkajs may notice only when it writes.
      const wasIdle = wasConnected && error instanceof kafkajs.KafkaJSConnectionError;
      if (mayRepeat && (wasEnded || wasIdle)) return this.#request(doing, requested, request, false);
      throw translate(error, doing, requested);
    }
  }

  #connected(): Connection {
    if (this.#connection) return this.#connection;
    const client = this.#open();
    const cluster = createCluster(client.kafka);
    this.#connection = { client, cluster: cluster.connect().then(() => cluster) };
    return this.#connection;
  }
}

interface Connection {
  readonly client: Client;
  readonly cluster: Promise<Cluster>;
}

async function createTopic(kafka: Kafka, config: ITopicConfig): Promise<void> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    await admin.createTopics({ topics: [config], waitForLeaders: false });
  } finally {
    await admin.disconnect();
  }
}

type Layout = Pick<Topic, 'partitions' | 'replicas'>;

async function readLayout(cluster: Cluster, name: string): Promise<Layout> {
  const { topicMetadata } = await cluster.metadata({ topics: [name] });
  const partitions = topicMetadata.find(({ topic }) => topic === name)?.partitionMetadata ?? [];
  // Only UNKNOWN_TOPIC_OR_PARTITION says that there is none. An answer without the topic says nothing.
  if (partitions.length === 0) {
    throw new TransientError('KafkaUnavailable', `Kafka does not say which partitions ${name} has`);
  }
  return { partitions: partitions.length, replicas: Math.min(...partitions.map(({ replicas }) => replicas.length)) };
}

async function readConfigs(cluster: Cluster, name: string): Promise<Map<string, string>> {
  const asked = {
    includeSynonyms: false,
    resources: [
      { type: kafkajs.ConfigResourceTypes.TOPIC, name, configNames: ['max.message.bytes', 'cleanup.policy'] },
    ],
  };
  const { resources } = await cluster.brokerPool.withBroker(({ broker }) => broker.describeConfigs(asked));
  const described = resources.find(({ resourceName }) => resourceName === name);
  return new Map(described?.configEntries.map(({ configName, configValue }) => [configName, configValue]));
}

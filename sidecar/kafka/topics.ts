import kafkajs, { type Admin, type ITopicConfig, type Kafka } from 'kafkajs';
import { isPositionTopic, OWNERS_PARTITIONS, OWNERS_TOPIC } from '../../common/contract/names.ts';
import { messageOf, TransientError } from '../../common/errors.ts';
import type { TopicLimits, TopicRefusal } from '../replay/outgoing-record.ts';
import { protocolType, translate } from './errors.ts';
import { closed } from './timeout.ts';

export interface TopicDefaults {
  readonly partitions: number;
  readonly replicationFactor: number;
  /** No topic is made for a peer's format when Kafka has this many already. */
  readonly maxTopics: number;
}

export interface Topic extends TopicLimits {
  readonly partitions: number;
  readonly cleanupPolicy: string;
}

/** Topics that are not messages': ours, connect's own and Kafka's. */
const INTERNAL = /^(?:LFH_|__|RETRANSMIT$)/;

/** What peers' names can run into; not having such a topic is the message's problem and not ours. */
const REFUSALS = new Set([
  'INVALID_TOPIC_EXCEPTION',
  'TOPIC_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'POLICY_VIOLATION',
]);

/** Makes topics that are missing, and knows what those that exist take. */
export class Topics {
  readonly #kafka: Kafka;
  readonly #defaults: TopicDefaults;
  readonly #known = new Map<string, Topic>();
  readonly #asked = new Map<string, Promise<Topic | TopicRefusal>>();
  #admin: Promise<Admin> | undefined;

  constructor(kafka: Kafka, defaults: TopicDefaults) {
    this.#kafka = kafka;
    this.#defaults = defaults;
  }

  /** See `KafkaPort.ensureTopics`. */
  async ensure(
    names: readonly string[],
    options: { readonly capped?: boolean; readonly fresh?: boolean } = {},
  ): Promise<Map<string, Topic | TopicRefusal>> {
    if (options.fresh) for (const name of names) this.#known.delete(name);
    // One after the other: topics are made a few times in a node's life, and the limit counts them.
    const found = new Map<string, Topic | TopicRefusal>();
    for (const name of names)
      found.set(name, this.#known.get(name) ?? (await this.#ask(name, options.capped ?? false)));
    return found;
  }

  /** Forgets what topics take: somebody has changed one of them. */
  forget(): void {
    this.#known.clear();
  }

  /** Number of partitions of a topic that {@link ensure} has found. */
  known(name: string): Topic {
    const topic = this.#known.get(name);
    if (!topic) throw new Error(`${name} is sent to before it was ensured`);
    return topic;
  }

  /** The oldest offset that a topic of one partition still has. */
  async firstOffset(name: string): Promise<bigint> {
    const admin = await this.#connected();
    try {
      const [offsets] = await admin.fetchTopicOffsets(name);
      return BigInt(offsets?.low ?? 0);
    } catch (error) {
      // kafkajs trips over a topic that was made just now, and that the broker which it asks does not know yet.
      if (!(error instanceof TypeError)) throw error;
      throw new TransientError('KafkaUnavailable', `Kafka does not tell the offsets of ${name} yet`, { cause: error });
    }
  }

  async disconnect(): Promise<void> {
    const admin = this.#admin;
    this.#admin = undefined;
    if (admin) await closed(admin.then((connected) => connected.disconnect()));
  }

  /** Several peers may want one topic at the same time; it is made once. */
  async #ask(name: string, capped: boolean): Promise<Topic | TopicRefusal> {
    const asked = this.#asked.get(name);
    if (asked) return asked;
    const answer = this.#findOrMake(name, capped);
    this.#asked.set(name, answer);
    try {
      const topic = await answer;
      if (!('refused' in topic)) this.#known.set(name, topic);
      return topic;
    } finally {
      this.#asked.delete(name);
    }
  }

  async #findOrMake(name: string, capped: boolean): Promise<Topic | TopicRefusal> {
    const wasConnected = this.#admin !== undefined;
    try {
      const admin = await this.#connected();
      const existing = await admin.listTopics();
      if (!existing.includes(name)) {
        const count = existing.filter((topic) => !INTERNAL.test(topic)).length;
        if (capped && count >= this.#defaults.maxTopics) {
          return { refused: `Kafka has ${count} topics already, and LFH_SYNC_MAX_TOPICS allows no more` };
        }
        await admin.createTopics({ topics: [this.#configOf(name)], waitForLeaders: true });
      }
      return await describe(admin, name);
    } catch (error) {
      const type = typeOfCreation(error);
      if (capped && type !== undefined && REFUSALS.has(type)) {
        // The topic's name comes from the peer, and Kafka's messages quote it.
        return { refused: `Kafka refuses the topic: ${type}` };
      }
      await this.disconnect();
      // Kafka ends what was idle for long, and kafkajs may notice only as it writes: that is no reason to give a peer up.
      if (wasConnected && error instanceof kafkajs.KafkaJSConnectionError) return this.#findOrMake(name, capped);
      if (type === 'INVALID_REPLICATION_FACTOR') throw translateType(type, `make the topic ${name}`, error);
      throw translate(error, `find or make the topic ${capped ? 'of a data_format' : name}`);
    }
  }

  #configOf(name: string): ITopicConfig {
    const { partitions, replicationFactor } = this.#defaults;
    if (name === OWNERS_TOPIC) return { topic: name, numPartitions: OWNERS_PARTITIONS, replicationFactor };
    if (isPositionTopic(name)) {
      return { topic: name, numPartitions: 1, replicationFactor, configEntries: COMPACTED };
    }
    return { topic: name, numPartitions: partitions, replicationFactor };
  }

  #connected(): Promise<Admin> {
    this.#admin ??= (async () => {
      const admin = this.#kafka.admin();
      await admin.connect();
      return admin;
    })();
    return this.#admin;
  }
}

/** Small segments, since only closed ones are compacted, and a take-over reads all that is left. */
const COMPACTED = [
  { name: 'cleanup.policy', value: 'compact' },
  { name: 'segment.bytes', value: String(1024 * 1024) },
  { name: 'min.cleanable.dirty.ratio', value: '0.1' },
];

async function describe(admin: Admin, name: string): Promise<Topic> {
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [
      { type: kafkajs.ConfigResourceTypes.TOPIC, name, configNames: ['max.message.bytes', 'cleanup.policy'] },
    ],
  });
  const entries = new Map(resources[0]?.configEntries.map(({ configName, configValue }) => [configName, configValue]));
  const { topics } = await admin.fetchTopicMetadata({ topics: [name] });
  const maxMessageBytes = Number(entries.get('max.message.bytes'));
  const partitions = topics[0]?.partitions.length;
  if (!Number.isSafeInteger(maxMessageBytes) || !partitions) {
    throw new TransientError('KafkaUnavailable', `Kafka does not tell the limits of ${name} yet`);
  }
  return { maxMessageBytes, partitions, cleanupPolicy: entries.get('cleanup.policy') ?? '' };
}

/** createTopics throws one error that holds one for each topic. */
function typeOfCreation(error: unknown): string | undefined {
  const inner = (error as { errors?: unknown[] }).errors?.[0];
  return protocolType(inner) ?? protocolType(error);
}

function translateType(type: string, doing: string, cause: unknown): TransientError {
  return new TransientError(
    'KafkaRefused',
    `could not ${doing}: ${type}; set KAFKA_ADMIN_NEW_TOPIC_REPLICATION_FACTOR to at most the number of brokers`,
    { cause: messageOf(cause) },
  );
}

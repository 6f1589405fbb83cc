import { isPositionTopic } from '../../common/contract/names.ts';
import { settingText } from '../../common/contract/settings.ts';
import { TransientError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { TopicRefusal } from '../replay/outgoing-record.ts';
import type { OpenClient } from './connections.ts';
import { protocolError } from './errors.ts';
import { TopicRequests } from './topic-requests.ts';
import {
  findTopicProblem,
  newTopicLimit,
  replicasRemark,
  type Topic,
  type TopicDefaults,
  topicConfigs,
} from './topic-rules.ts';

/** Any topic can be deleted, made again or set up differently at any time, so it is asked for again after this. */
const MAX_AGE_MS = 30_000;

interface Known {
  readonly topic: Topic;
  /** As of `performance.now()`. */
  readAt: number;
}

export interface EnsureOptions {
  /** The peer whose messages name the topics. What is made for it counts towards its share. */
  readonly peer?: string;
  /** How old an answer of Kafka may be; 0 asks in any case. */
  readonly maxAgeMs?: number;
  /** From now on new topics of messages have to take such messages. */
  readonly maxMessageBytes?: number;
}

/**
 * Makes topics that are missing, and knows how those that exist are set up.
 *
 * What is wrong with our own Kafka (a right, a policy, a limit, how a topic is set up) is thrown, and costs no message.
 * Only a name that cannot be a topic's here is returned as a refusal, since no change but another message would help.
 */
export class Topics {
  readonly #requests: TopicRequests;
  readonly #defaults: TopicDefaults;
  readonly #log: Logger;
  readonly #known = new Map<string, Known>();
  /** Names that cannot be a topic's here, for as long as an answer counts: a peer may send them again and again. */
  readonly #refused = new Map<string, { readonly refusal: TopicRefusal; readonly readAt: number }>();
  readonly #asked = new Map<string, Promise<Topic | TopicRefusal>>();
  /** How many brokers there were when a topic with one replica was looked at, as of `performance.now()`. */
  #brokers = { count: 0, readAt: Number.NEGATIVE_INFINITY };
  #remarked = false;
  #maxMessageBytes: number | undefined;
  /** For each peer, the names that its messages made us try to make since the process began. */
  readonly #shares = new Map<string, Set<string>>();

  constructor(open: OpenClient, defaults: TopicDefaults, log: Logger) {
    this.#log = log;
    this.#maxMessageBytes = defaults.maxMessageBytes;
    this.#requests = new TopicRequests(open);
    this.#defaults = defaults;
  }

  /**
   * See `KafkaPort.ensureTopics`.
   * @throws TransientError when a topic cannot be had or used here
   */
  async ensure(names: readonly string[], options: EnsureOptions = {}): Promise<Map<string, Topic | TopicRefusal>> {
    const { maxAgeMs = MAX_AGE_MS } = options;
    this.#maxMessageBytes = options.maxMessageBytes ?? this.#maxMessageBytes;
    const found = new Map<string, Topic | TopicRefusal>();
    // One after the other: topics are made a few times in a node's life, and the share counts them.
    for (const name of names) {
      found.set(name, this.#remembered(name, maxAgeMs) ?? (await this.#ask(name, options)));
    }
    return found;
  }

  #remembered(name: string, maxAgeMs: number): Topic | TopicRefusal | undefined {
    const isFresh = ({ readAt }: { readonly readAt: number }): boolean => performance.now() - readAt < maxAgeMs;
    const known = this.#known.get(name);
    if (known && isFresh(known)) return known.topic;
    const refused = this.#refused.get(name);
    return refused && isFresh(refused) ? refused.refusal : undefined;
  }

  /** Lets every topic be asked for again. For after any failure: a changed topic may be its cause. */
  forget(): void {
    // What a batch was planned with must stay: another peer may be about to send.
    for (const known of this.#known.values()) known.readAt = Number.NEGATIVE_INFINITY;
  }

  /** What {@link ensure} last found; a batch that is sent by it may turn out to be wrong, and then is not committed. */
  known(name: string): Topic {
    const known = this.#known.get(name);
    if (!known) throw new Error(`${name} is sent to before it was ensured`);
    return known.topic;
  }

  /** What a person should know of the topics in use, although all is well; undefined: nothing. */
  get remark(): string | undefined {
    const single = [...this.#known].filter(([, { topic }]) => topic.replicas === 1).map(([name]) => name);
    return replicasRemark(single, this.#brokers.count);
  }

  /** How many partitions topics have now; 0 for one that does not exist. Makes none, and does not ask how they are set up. */
  async count(names: Iterable<string>): Promise<Map<string, number>> {
    const counts = new Map<string, number>();
    for (const name of names) counts.set(name, await this.#requests.countPartitions(name));
    return counts;
  }

  disconnect(): Promise<void> {
    return this.#requests.disconnect();
  }

  /** Several callers may want one topic at the same time; it is asked for once. */
  async #ask(name: string, options: EnsureOptions): Promise<Topic | TopicRefusal> {
    // A topic's name has no space. One peer's share must not end another's request.
    const request = `${name} ${options.peer ?? ''}`;
    const asked = this.#asked.get(request) ?? this.#findOrMake(name, options);
    this.#asked.set(request, asked);
    try {
      return await asked;
    } finally {
      this.#asked.delete(request);
    }
  }

  async #findOrMake(name: string, options: EnsureOptions): Promise<Topic | TopicRefusal> {
    const found = (await this.#requests.describe(name)) ?? (await this.#make(name, options));
    if ('refused' in found) return found;
    const problem = findTopicProblem(name, found);
    if (problem) throw problem;
    this.#known.set(name, { topic: found, readAt: performance.now() });
    if (found.replicas === 1) await this.#lookAtBrokers(name);
    return found;
  }

  /** @param topic one that there is */
  async #lookAtBrokers(topic: string): Promise<void> {
    if (performance.now() - this.#brokers.readAt >= MAX_AGE_MS) {
      this.#brokers = { count: await this.#requests.countBrokers(topic), readAt: performance.now() };
    }
    const { remark } = this;
    if (remark !== undefined && !this.#remarked) this.#log.warn({ remark }, 'topics have one replica');
    this.#remarked ||= remark !== undefined;
  }

  async #make(name: string, { peer }: EnsureOptions): Promise<Topic | TopicRefusal> {
    const limit = newTopicLimit(this.#maxMessageBytes, this.#brokersLimit());
    const configs = topicConfigs(name, this.#defaults, limit);
    if (peer === undefined) return this.#requests.create(configs);
    const share = this.#shares.get(peer) ?? new Set();
    const { maxTopics } = this.#defaults;
    if (!share.has(name) && share.size >= maxTopics) throw shareUsedUp(name, maxTopics);
    try {
      const topic = await this.#requests.create(configs);
      this.#shares.set(peer, share.add(name));
      return topic;
    } catch (error) {
      if (protocolError(error)?.type !== 'INVALID_TOPIC_EXCEPTION') throw error;
      this.#shares.set(peer, share.add(name));
      const refusal = {
        refused: 'Kafka does not take the name for a topic: it may differ from another only by . and _',
      };
      this.#refused.set(name, { refusal, readAt: performance.now() });
      return refusal;
    }
  }

  /** What a topic takes that says nothing of it. Position topics never do, and a peer's is there before its messages are. */
  #brokersLimit(): number | undefined {
    return [...this.#known].find(([name]) => isPositionTopic(name))?.[1].topic.maxMessageBytes;
  }
}

function shareUsedUp(topic: string, maxTopics: number): TransientError {
  return new TransientError(
    'KafkaRefused',
    `the topic ${topic} is not made: ${settingText('maxTopics')} is ${maxTopics}, and so many new topics were made for this ` +
      'peer since this sidecar started. Make the topic by hand, raise the setting, or name in allowFormats what is wanted',
  );
}

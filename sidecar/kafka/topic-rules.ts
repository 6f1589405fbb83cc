import type { ITopicConfig } from 'kafkajs';
import { isPositionTopic } from '../../common/contract/names.ts';
import { settingText } from '../../common/contract/settings.ts';
import { TransientError } from '../../common/errors.ts';
import type { TopicLimits } from '../replay/outgoing-record.ts';
import { neededTopicLimit } from '../replay/record-size.ts';

/** How topics are made, and what an existing one must be like. Pure. The rules are in docs/adr/0021-an-answer-for-every-record.md. */

export interface TopicDefaults {
  /** -1: as the brokers make them; so is the replication factor. */
  readonly partitions: number;
  readonly replicationFactor: number;
  /** For one peer's formats, at most this many topics are made while the process runs. */
  readonly maxTopics: number;
  /** The largest messages that new topics of messages have to take; absent: as the brokers have it. */
  readonly maxMessageBytes?: number;
}

/** What Kafka says about a topic that exists. */
export interface Topic extends TopicLimits {
  readonly partitions: number;
  /** Of the partition that has the fewest. */
  readonly replicas: number;
  readonly cleanupPolicy: string;
}

/**
 * How to make a topic. The first is what we want; each further one leaves out what a broker's policy may forbid.
 *
 * cleanup.policy is always said first: the default of the brokers may be `compact`, and a compacted topic refuses records
 * without a key.
 *
 * @param maxBatchBytes what max.message.bytes should be; absent: as the brokers have it
 */
export function topicConfigs(topic: string, defaults: TopicDefaults, maxBatchBytes?: number): ITopicConfig[] {
  const { partitions, replicationFactor } = defaults;
  if (isPositionTopic(topic)) {
    const config = { topic, numPartitions: 1, replicationFactor };
    return [
      [COMPACT, ...SMALL_SEGMENTS, SHORT_MARKERS],
      [COMPACT, ...SMALL_SEGMENTS],
      [COMPACT, SHORT_MARKERS],
      [COMPACT],
    ].map((configEntries) => ({ ...config, configEntries }));
  }
  const config = { topic, numPartitions: partitions, replicationFactor };
  const kept = [{ ...config, configEntries: [DELETE] }, config];
  if (maxBatchBytes === undefined) return kept;
  const size = { name: 'max.message.bytes', value: String(maxBatchBytes) };
  return [{ ...config, configEntries: [DELETE, size] }, ...kept];
}

/**
 * What max.message.bytes of a new topic of messages should be, so that it takes what the settings let in.
 *
 * @param maxMessageBytes undefined for other topics
 * @param brokersLimit what a topic takes that says nothing; undefined where no such topic was seen
 * @returns undefined where nothing should be said, since the brokers' limit is enough or unknown: connect writes to the same
 *   topics, and must not be able to write less than before
 */
export function newTopicLimit(
  maxMessageBytes: number | undefined,
  brokersLimit: number | undefined,
): number | undefined {
  if (maxMessageBytes === undefined || brokersLimit === undefined) return undefined;
  const needed = neededTopicLimit(maxMessageBytes);
  return needed > brokersLimit ? needed : undefined;
}

/**
 * A remark on topics that only one of several brokers has: while that one is down nothing can be written to them, and if its
 * disk is lost the records are. It is a remark and no failure, since all is well until then, and some want it so.
 *
 * @param topics names of topics with one replica
 * @returns undefined where there is nothing to remark on
 */
export function replicasRemark(topics: readonly string[], brokers: number): string | undefined {
  if (topics.length === 0 || brokers < 2) return undefined;
  const named = [...topics].sort().slice(0, 5).join(', ');
  const rest = topics.length > 5 ? ` and ${topics.length - 5} more` : '';
  return (
    `Kafka has ${brokers} brokers, and only one of them has ${named}${rest}: when that one is lost, so are their records. ` +
    `New topics have more replicas with ${settingText('newTopicReplicationFactor')} or default.replication.factor of the ` +
    'brokers; kafka-reassign-partitions.sh gives them to those that exist'
  );
}

const DELETE = { name: 'cleanup.policy', value: 'delete' };
const COMPACT = { name: 'cleanup.policy', value: 'compact' };
/** Only closed segments are compacted. */
const SMALL_SEGMENTS = [
  { name: 'segment.bytes', value: String(1024 * 1024) },
  { name: 'min.cleanable.dirty.ratio', value: '0.1' },
];
/** How long compaction keeps the marker of a commit. Kafka's default of a day is 337 MB at 50 transactions a second. */
const SHORT_MARKERS = { name: 'delete.retention.ms', value: String(10 * 60_000) };

/** Why we cannot use a topic as it is. A person has to change it; until then every peer that needs it waits. */
export function findTopicProblem(name: string, { cleanupPolicy }: Topic): TransientError | undefined {
  if (isPositionTopic(name)) {
    if (cleanupPolicy === 'compact') return undefined;
    return new TransientError(
      'TopicNotCompacted',
      `${name} must have cleanup.policy=compact and nothing else: otherwise Kafka would delete the position of a peer that ` +
        'sends nothing for a long time. Set it with kafka-configs.sh',
    );
  }
  if (!/\bcompact\b/.test(cleanupPolicy)) return undefined;
  return new TransientError(
    'KafkaRefused',
    `${name} has cleanup.policy=${cleanupPolicy}, so it takes no record without a key, and messages have none. Set ` +
      'cleanup.policy=delete with kafka-configs.sh',
  );
}

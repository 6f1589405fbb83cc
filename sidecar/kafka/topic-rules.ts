import type { ITopicConfig } from 'kafkajs';
import { isPositionTopic } from '../../common/contract/names.ts';
import { TransientError } from '../../common/errors.ts';
import type { TopicLimits } from '../replay/outgoing-record.ts';

/** How topics are made, and what an existing one must be like. Pure. The rules are in docs/adr/0021-an-answer-for-every-record.md. */

export interface TopicDefaults {
  readonly partitions: number;
  readonly replicationFactor: number;
  /** For one peer's formats, at most this many topics are made while the process runs. */
  readonly maxTopics: number;
}

/** What Kafka says about a topic that exists. */
export interface Topic extends TopicLimits {
  readonly partitions: number;
  readonly cleanupPolicy: string;
}

/**
 * How to make a topic. The first is what we want; each further one leaves out what a broker's policy may forbid.
 *
 * cleanup.policy is always said first: the default of the brokers may be `compact`, and a compacted topic refuses records
 * without a key.
 */
export function topicConfigs(topic: string, defaults: TopicDefaults): ITopicConfig[] {
  const { partitions, replicationFactor } = defaults;
  if (isPositionTopic(topic)) {
    const config = { topic, numPartitions: 1, replicationFactor };
    return [
      { ...config, configEntries: [COMPACT, ...SMALL_SEGMENTS] },
      { ...config, configEntries: [COMPACT] },
    ];
  }
  const config = { topic, numPartitions: partitions, replicationFactor };
  return [{ ...config, configEntries: [{ name: 'cleanup.policy', value: 'delete' }] }, config];
}

const COMPACT = { name: 'cleanup.policy', value: 'compact' };
/** Only closed segments are compacted, and a take-over reads all that is left. */
const SMALL_SEGMENTS = [
  { name: 'segment.bytes', value: String(1024 * 1024) },
  { name: 'min.cleanable.dirty.ratio', value: '0.1' },
];

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

import type { Kafka } from 'kafkajs';
// kafkajs cannot fetch without joining a consumer group; see docs/adr/0003-kafkajs-internals.md.
import Batch from 'kafkajs/src/consumer/batch.js';
import { isPositionTopic } from '../../common/contract/names.ts';
import { TransientError } from '../../common/errors.ts';
import { type Cluster, createCluster, type FetchedPartition, ISOLATION, leaderOf } from './cluster.ts';
import { readAllCompressions } from './compression/codecs.ts';
import { protocolError } from './errors.ts';

/** One record. */
export interface FetchedRecord {
  readonly offset: string;
  /** When it was written, in milliseconds since 1970. */
  readonly timestamp: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, Buffer>>;
  readonly batchContext: {
    /** Of the producer that wrote it, `-1` without one. */
    readonly producerId: string;
    readonly producerEpoch: number;
    readonly firstSequence: number;
    /** Of the batch. */
    readonly firstOffset: string;
    /** Whose time its records have: the producer's, or {@link STAMPED_BY_BROKER}. */
    readonly timestampType: number;
  };
}

/** Of a topic with `message.timestamp.type=LogAppendTime`. */
export const STAMPED_BY_BROKER = 1;
/** How far the clocks of a sidecar and of a broker, or of two sidecars, may be apart. */
export const CLOCKS_MS = 60_000;

export interface Fetched {
  /** In order, without control records. A fetch of committed records leaves out aborted ones as well. */
  readonly records: readonly FetchedRecord[];
  /** The offset at which the next fetch begins. */
  readonly next: bigint;
  readonly highWatermark: bigint;
  /** Below the high watermark while somebody's transaction is open. */
  readonly lastStable: bigint;
}

const MAX_BYTES = 8 * 1024 * 1024;
/** For who reads on and on: all peers share one thread, and kafkajs decodes what it fetched in one go. A larger record comes whole. */
export const PAGE_BYTES = 512 * 1024;

/** Errors that pass when the metadata are read again. */
const STALE_METADATA = new Set(['UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE', 'NOT_LEADER_FOR_PARTITION']);
/** A broker that stood still is let in again within its session, 9 s by default. */
const LEADER_WITHIN_MS = 10_000;
const RETRY_MS = 200;
/** How long a broker may leave out what is there. It gives up a read of remote storage after half a second by default. */
const LEFT_OUT_WITHIN_MS = 10_000;

readAllCompressions();

/** Reads partitions without being a member of any group. */
export class Fetcher {
  readonly #cluster: Cluster;
  readonly #isolationLevel: number;

  constructor(kafka: Kafka, isolation: keyof typeof ISOLATION = 'committed') {
    this.#cluster = createCluster(kafka);
    this.#isolationLevel = ISOLATION[isolation];
  }

  connect(): Promise<void> {
    return this.#cluster.connect();
  }

  disconnect(): Promise<void> {
    return this.#cluster.disconnect();
  }

  /**
   * The oldest offset that a partition still has. Waits for the partition's leader: a broker that stood still has none
   * for some seconds.
   * @throws TransientError when Kafka does not say, and what kafkajs throws
   */
  firstOffset(topic: string, partition: number): Promise<bigint> {
    return this.#offset(topic, partition, 'first');
  }

  /** The offset after the newest record, committed or not. As {@link firstOffset}. */
  lastOffset(topic: string, partition: number): Promise<bigint> {
    return this.#offset(topic, partition, 'last');
  }

  /** The offset of the first record, committed or not, that was written at a time or later. As {@link firstOffset}. */
  async offsetSince(topic: string, partition: number, ms: number): Promise<bigint | undefined> {
    const offset = await this.#offset(topic, partition, ms);
    return offset < 0n ? undefined : offset;
  }

  async #offset(topic: string, partition: number, where: 'first' | 'last' | number): Promise<bigint> {
    for (const deadline = performance.now() + LEADER_WITHIN_MS; ; ) {
      try {
        return await this.#askOffset(topic, partition, where);
      } catch (error) {
        const isStale = STALE_METADATA.has(protocolError(error)?.type ?? '');
        if (!isStale || performance.now() >= deadline) throw error;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  async #askOffset(topic: string, partition: number, where: 'first' | 'last' | number): Promise<bigint> {
    await this.#cluster.addTargetTopic(topic);
    await this.#cluster.refreshMetadata();
    const since = typeof where === 'number' ? { fromTimestamp: where } : {};
    const asked = { topic, partitions: [{ partition }], fromBeginning: where === 'first', ...since };
    const answers = await this.#cluster.fetchTopicsOffset([asked]);
    const partitions = answers.find((answer) => answer.topic === topic)?.partitions;
    const offset = partitions?.find((answer) => answer.partition === partition)?.offset;
    // Kafka's answer where no record is as young.
    if (typeof where === 'number' && offset === '-1') return -1n;
    // Not known is not 0: what is read from a wrong offset is not the position.
    if (offset !== undefined && /^\d+$/.test(offset)) return BigInt(offset);
    throw new TransientError(
      'KafkaUnavailable',
      `Kafka does not say where partition ${partition} of ${topic} ${where === 'first' ? 'begins' : 'ends'}`,
    );
  }

  /**
   * Fetches from `offset`, waiting up to `waitMs` where there is nothing yet. About `maxBytes` come at most; a batch that is
   * larger comes whole.
   * @throws TransientError where Kafka leaves out what is there, and what kafkajs throws; OFFSET_OUT_OF_RANGE when `offset` is
   *   gone already
   */
  async fetch(topic: string, partition: number, offset: bigint, waitMs = 0, maxBytes = MAX_BYTES): Promise<Fetched> {
    for (const deadline = performance.now() + LEFT_OUT_WITHIN_MS; ; ) {
      const fetched = await this.#fetchOnce(topic, { partition, offset, waitMs, maxBytes });
      const next = nextOffset(offset, fetched, isPositionTopic(topic));
      const [highWatermark, lastStable] = [BigInt(fetched.highWatermark), BigInt(fetched.lastStableOffset)];
      if (next !== undefined) {
        const records = new Batch(topic, String(offset), fetched).messages as unknown as readonly FetchedRecord[];
        return { records, next, highWatermark, lastStable };
      }
      if (performance.now() >= deadline) throw leftOut(topic, partition, offset, lastStable);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  async #fetchOnce(
    topic: string,
    { partition, offset, waitMs, maxBytes }: { partition: number; offset: bigint; waitMs: number; maxBytes: number },
  ): Promise<FetchedPartition> {
    const broker = await leaderOf(this.#cluster, topic, partition);
    const { responses } = await broker.fetch({
      replicaId: -1,
      isolationLevel: this.#isolationLevel,
      maxWaitTime: waitMs,
      minBytes: waitMs > 0 ? 1 : 0,
      maxBytes,
      topics: [
        {
          topic,
          partitions: [
            { partition, currentLeaderEpoch: -1, fetchOffset: String(offset), logStartOffset: -1, maxBytes },
          ],
        },
      ],
    });
    const fetched = responses
      .find(({ topicName }) => topicName === topic)
      ?.partitions.find((answer) => answer.partition === partition);
    // A broker that throttles us answers without any partition.
    if (!fetched)
      throw new TransientError('KafkaUnavailable', `Kafka did not answer a fetch of ${topic}; trying again`);
    return fetched;
  }

  /** Reads from one offset up to another, or up to the last stable offset. @throws what {@link fetch} throws */
  async read(topic: string, partition: number, from: bigint, to: bigint): Promise<FetchedRecord[]> {
    const records: FetchedRecord[] = [];
    for (let next = from; next < to; ) {
      const fetched = await this.fetch(topic, partition, next);
      for (const record of fetched.records) records.push(record);
      if (fetched.next <= next) break;
      next = fetched.next;
    }
    return records;
  }
}

/**
 * Where the fetch after this one begins. Pure. Markers of commits and what was aborted are among the messages of an answer.
 *
 * @param isCompacted whether there can be nothing where there was something: compaction has emptied these batches. Elsewhere Kafka
 *   answers so, without an error, where remote storage does not answer it in time (`DelayedRemoteFetch.onComplete`)
 * @returns undefined where the answer leaves out what is there
 */
export function nextOffset(
  offset: bigint,
  { messages, lastStableOffset }: Pick<FetchedPartition, 'messages' | 'lastStableOffset'>,
  isCompacted: boolean,
): bigint | undefined {
  const last = messages.at(-1);
  // Compaction may have removed the last records of a batch. The next fetch from among them would return the batch again.
  if (last?.batchContext) return BigInt(last.batchContext.firstOffset) + BigInt(last.batchContext.lastOffsetDelta) + 1n;
  if (last) return BigInt(last.offset) + 1n;
  const lastStable = BigInt(lastStableOffset);
  // A broker that has just become the leader may know less of what is committed than the one before it: nobody goes back.
  if (lastStable <= offset) return offset;
  return isCompacted ? lastStable : undefined;
}

function leftOut(topic: string, partition: number, offset: bigint, lastStable: bigint): TransientError {
  return new TransientError(
    'KafkaUnavailable',
    `Kafka answers with nothing for offset ${offset} of partition ${partition} of ${topic}, although the partition goes up to ` +
      `${lastStable}. Where the topic has remote.storage.enable, the brokers cannot read their remote storage within ` +
      'remote.fetch.max.wait.ms: see their logs. Nothing is skipped, and it is tried again',
  );
}

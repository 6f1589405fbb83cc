import type { Kafka } from 'kafkajs';
// kafkajs cannot fetch without joining a consumer group; see docs/adr/0003-kafkajs-internals.md.
import Batch from 'kafkajs/src/consumer/batch.js';
import { TransientError } from '../../common/errors.ts';

/** What is used of kafkajs's own cluster object, by hand since it has no types. */
interface Cluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  addTargetTopic(topic: string): Promise<void>;
  findLeaderForPartitions(topic: string, partitions: number[]): Record<string, number[]>;
  findBroker(options: { nodeId: string }): Promise<Broker>;
}

interface Broker {
  fetch(request: object): Promise<{ responses: { partitions: FetchedPartition[] }[] }>;
}

interface FetchedPartition {
  readonly partition: number;
  readonly errorCode: number;
  readonly highWatermark: string;
  readonly lastStableOffset: string;
  readonly messages: readonly { readonly offset: string }[];
}

/** One committed record. */
export interface FetchedRecord {
  readonly offset: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, Buffer>>;
}

export interface Fetched {
  /** Committed records, in order; aborted ones and control records are left out. */
  readonly records: readonly FetchedRecord[];
  /** Where the next fetch begins. */
  readonly next: bigint;
  readonly highWatermark: bigint;
  /** Below the high watermark while somebody's transaction is open. */
  readonly lastStable: bigint;
}

const READ_COMMITTED = 1;
const MAX_BYTES = 8 * 1024 * 1024;

/** Reads partitions without being a member of any group. */
export class Fetcher {
  readonly #cluster: Cluster;

  constructor(kafka: Kafka) {
    const symbol = Object.getOwnPropertySymbols(kafka).find(
      ({ description }) => description === 'private:Kafka:createCluster',
    );
    const create = symbol && (kafka as unknown as Record<symbol, (options: object) => Cluster>)[symbol];
    if (!create) throw new Error('this is not the kafkajs that sidecar/kafka/fetch.ts was written for (2.2.4)');
    this.#cluster = create({ metadataMaxAge: 60_000, allowAutoTopicCreation: false, isolationLevel: READ_COMMITTED });
  }

  connect(): Promise<void> {
    return this.#cluster.connect();
  }

  disconnect(): Promise<void> {
    return this.#cluster.disconnect();
  }

  /** Fetches once from `offset`, waiting up to `waitMs` where there is nothing yet. @throws what kafkajs throws; OFFSET_OUT_OF_RANGE when `offset` is gone already */
  async fetch(topic: string, partition: number, offset: bigint, waitMs = 0): Promise<Fetched> {
    const cluster = this.#cluster;
    await cluster.addTargetTopic(topic);
    const leaders = cluster.findLeaderForPartitions(topic, [partition]);
    const broker = await cluster.findBroker({ nodeId: Object.keys(leaders)[0] ?? '' });
    const { responses } = await broker.fetch({
      replicaId: -1,
      isolationLevel: READ_COMMITTED,
      maxWaitTime: waitMs,
      minBytes: waitMs > 0 ? 1 : 0,
      maxBytes: MAX_BYTES,
      topics: [
        {
          topic,
          partitions: [
            { partition, currentLeaderEpoch: -1, fetchOffset: String(offset), logStartOffset: -1, maxBytes: MAX_BYTES },
          ],
        },
      ],
    });
    const fetched = responses[0]?.partitions[0];
    // A broker that throttles us answers so.
    if (!fetched)
      throw new TransientError('KafkaUnavailable', `Kafka did not answer a fetch of ${topic}; trying again`);
    const last = fetched.messages.at(-1);
    return {
      records: new Batch(topic, String(offset), fetched).messages as unknown as readonly FetchedRecord[],
      // Nothing where there should be something: batches that compaction has emptied.
      next: last ? BigInt(last.offset) + 1n : BigInt(fetched.lastStableOffset),
      highWatermark: BigInt(fetched.highWatermark),
      lastStable: BigInt(fetched.lastStableOffset),
    };
  }
}

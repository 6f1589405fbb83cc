import type { Admin, Kafka } from 'kafkajs';
import { Fetcher } from '../../../sidecar/kafka/fetch.ts';
import { until } from '../processes/process.ts';

/** A Kafka of this machine or of a cluster. */
export interface KafkaClients {
  client(): Kafka;
}

export interface ReadRecord {
  readonly partition: number;
  readonly offset: string;
  readonly key: Buffer | null;
  readonly value: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

/** Reads a topic from its beginning to its end as of the call: committed records only. Empty when there is no such topic. */
export async function readTopic(kafka: KafkaClients, topic: string): Promise<ReadRecord[]> {
  const client = kafka.client();
  const admin = client.admin();
  const fetcher = new Fetcher(client);
  await Promise.all([admin.connect(), fetcher.connect()]);
  try {
    if (!(await admin.listTopics()).includes(topic)) return [];
    const records: ReadRecord[] = [];
    for (const { partition, low, high } of await offsetsOf(admin, topic)) {
      const end = await committedEnd(fetcher, topic, partition, BigInt(high));
      records.push(...(await readPartition(fetcher, topic, partition, BigInt(low), end)));
    }
    return records;
  } finally {
    await Promise.all([admin.disconnect(), fetcher.disconnect()]);
  }
}

/** The uuid of every message in LFH_SYNC, in the order of the topic. */
export async function replayedUuids(kafka: KafkaClients, topic = 'LFH_SYNC'): Promise<string[]> {
  const records = await readTopic(kafka, topic);
  return records.map(({ value }) => (JSON.parse(value.toString('utf8')) as { uuid: string }).uuid);
}

/** A transaction that stays open for longer is not about to be ended. */
const ENDED_MS = 2_000;

/**
 * Kafka answers a commit before it has ended the transaction in every partition.
 *
 * @param known an offset up to the partition's end
 * @returns the end of what was committed at the call
 */
async function committedEnd(fetcher: Fetcher, topic: string, partition: number, known: bigint): Promise<bigint> {
  const { highWatermark, ...atCall } = await fetcher.fetch(topic, partition, known);
  let end = atCall.lastStable;
  const isEnded = async (): Promise<boolean> => {
    end = (await fetcher.fetch(topic, partition, end)).lastStable;
    return end >= highWatermark;
  };
  if (end < highWatermark) await until('every transaction is ended', isEnded, ENDED_MS).catch(() => undefined);
  return end;
}

/** kafkajs gives up at the first broker that has not heard yet who leads, as one that has just been started may not have. */
async function offsetsOf(admin: Admin, topic: string): Promise<Awaited<ReturnType<Admin['fetchTopicOffsets']>>> {
  let offsets: Awaited<ReturnType<Admin['fetchTopicOffsets']>> = [];
  const found = async (): Promise<boolean> => {
    offsets = await admin.fetchTopicOffsets(topic);
    return true;
  };
  await until(`the offsets of ${topic} are known`, found);
  return offsets;
}

async function readPartition(
  fetcher: Fetcher,
  topic: string,
  partition: number,
  low: bigint,
  high: bigint,
): Promise<ReadRecord[]> {
  const records = await fetcher.read(topic, partition, low, high);
  return records.map(({ offset, key, value, headers }) => {
    const texts = Object.entries(headers).map(([name, bytes]) => [name, bytes.toString('utf8')]);
    return { partition, offset, key, value: value ?? Buffer.alloc(0), headers: Object.fromEntries(texts) };
  });
}

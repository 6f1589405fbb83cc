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
      records.push(...(await readPartition(fetcher, topic, partition, BigInt(low), BigInt(high))));
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

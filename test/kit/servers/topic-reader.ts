import type { Kafka } from 'kafkajs';
import { Fetcher } from '../../../sidecar/kafka/fetch.ts';

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
    for (const { partition, low, high } of await admin.fetchTopicOffsets(topic)) {
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

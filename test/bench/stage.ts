import { infoSubject } from '../../common/contract/durable.ts';
import { STREAM, syncName } from '../../common/contract/names.ts';
import { Fetcher } from '../../sidecar/kafka/fetch.ts';
import { until } from '../kit/processes/process.ts';
import { type ConnectMessage, connectMessage } from '../kit/sites/connect-message.ts';
import { type DurableInfo, Site } from '../kit/sites/site.ts';
import type { Contender } from './contenders.ts';

/** Kafka's word for the end of a partition. */
const EVERYTHING = '-1';

/** One site that sends and one that receives, on which all contenders do the same work, one after the other. */
export class Stage {
  readonly origin: Site;
  readonly receiver: Site;
  /** The uuid of every message in the origin's stream, in its order. */
  #sent: string[] = [];
  #messageBytes = 0;
  readonly #askOrigin: (subject: string) => Promise<Record<string, unknown>>;

  private constructor(origin: Site, receiver: Site, ask: (subject: string) => Promise<Record<string, unknown>>) {
    this.origin = origin;
    this.receiver = receiver;
    this.#askOrigin = ask;
  }

  static async start(): Promise<Stage> {
    const [origin, receiver] = await Promise.all([
      Site.start('hospital-a', { kafka: false }),
      // What a turn has left behind goes soon, so that the disk does not fill.
      Site.start('hospital-b', { kafkaProperties: { 'file.delete.delay.ms': '1000' } }),
    ]);
    const connection = await origin.connect();
    return new Stage(origin, receiver, async (subject) => (await connection.request(subject)).json());
  }

  get sent(): readonly string[] {
    return this.#sent;
  }

  /** About how many bytes each message has. */
  get messageBytes(): number {
    return this.#messageBytes;
  }

  /** Empties the stream, and fills it with so many messages of a size. */
  async fill(count: number, bytes: number): Promise<void> {
    await this.origin.recreateStream();
    this.#sent = [];
    this.#messageBytes = bytes;
    for (let done = 0; done < count; done += 10_000) {
      await this.publish(messagesOf(this.origin.lfhId, Math.min(10_000, count - done), bytes));
    }
  }

  async publish(batch: readonly ConnectMessage[]): Promise<void> {
    this.note(batch);
    await this.origin.announce(batch.map(({ payload }) => payload));
  }

  /** Messages that the caller publishes itself. */
  note(batch: readonly ConnectMessage[]): void {
    for (const { uuid } of batch) this.#sent.push(uuid);
  }

  /** Everything of the stream is due again for a contender, and its topics are empty. */
  async startOver({ lfhId, topics, positionTopic }: Contender): Promise<void> {
    const admin = this.receiver.kafka.client().admin();
    await admin.connect();
    try {
      const there = await admin.listTopics();
      const missing = topics.filter((topic) => !there.includes(topic));
      await admin.createTopics({ topics: missing.map((topic) => ({ topic, numPartitions: 1 })), waitForLeaders: true });
      for (const topic of topics.filter((each) => there.includes(each))) {
        // kafkajs looks for the leader before it asks for it, so somebody else has to ask first.
        await admin.fetchTopicOffsets(topic);
        await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: EVERYTHING }] });
      }
      if (positionTopic !== undefined && there.includes(positionTopic)) {
        await admin.deleteTopics({ topics: [positionTopic] });
      }
    } finally {
      await admin.disconnect();
    }
    await this.origin.deleteDurable(lfhId);
    await this.origin.createDurable(lfhId);
  }

  /** Resolves with the time when everything is acknowledged, which all contenders do after the commit. */
  async acknowledged(lfhId: string, what: string): Promise<number> {
    const done = async (): Promise<boolean> => {
      const { num_pending, num_ack_pending } = await this.durable(lfhId);
      return num_pending === 0 && num_ack_pending === 0;
    };
    await until(`${what} has acknowledged everything`, done, 300_000, 5);
    return performance.now();
  }

  async durable(lfhId: string): Promise<DurableInfo> {
    return (await this.#askOrigin(infoSubject(STREAM, syncName(lfhId)))) as unknown as DurableInfo;
  }

  /** Resolves with the time when the next committed record of a topic can be read. */
  async nextRecord(topic: string): Promise<number> {
    const fetcher = new Fetcher(this.receiver.kafka.client());
    await fetcher.connect();
    try {
      const end = await fetcher.lastOffset(topic, 0);
      const found = async (): Promise<boolean> => (await fetcher.fetch(topic, 0, end, 100, 1)).records.length > 0;
      await until(`something is in ${topic}`, found, 60_000, 2);
      return performance.now();
    } finally {
      await fetcher.disconnect();
    }
  }

  /** A figure counts only if the work was done. @throws when a message is missing, is there twice, or is not in its order */
  async verify(name: string, topic: string): Promise<void> {
    let found = 0;
    for await (const uuid of uuidsIn(this.receiver, topic)) {
      const expected = this.#sent[found];
      if (uuid !== expected) {
        throw new Error(
          `${name} has ${uuid} as message ${found} in ${topic}, which should be ${expected ?? 'its end'}`,
        );
      }
      found += 1;
    }
    if (found < this.#sent.length) throw new Error(`${name} has ${found} of ${this.#sent.length} messages in ${topic}`);
  }

  async stop(): Promise<void> {
    await Promise.all([this.origin.stop(), this.receiver.stop()]);
  }
}

/** What is in a partition, a page at a time: a million messages at once would need more memory than a machine may have. */
export async function* uuidsIn({ kafka }: Site, topic: string, partition = 0): AsyncGenerator<string> {
  const fetcher = new Fetcher(kafka.client());
  await fetcher.connect();
  try {
    const end = await fetcher.lastOffset(topic, partition);
    let next = await fetcher.firstOffset(topic, partition);
    for (let hasMore = next < end; hasMore; ) {
      const fetched = await fetcher.fetch(topic, partition, next, 1000);
      for (const { value } of fetched.records) yield uuidOf(value);
      hasMore = fetched.next > next && fetched.next < end;
      next = fetched.next;
    }
  } finally {
    await fetcher.disconnect();
  }
}

/** Messages as connect announces them, with a FHIR resource that makes each as large as wanted. */
export function messagesOf(lfhId: string, count: number, bytes: number): ConnectMessage[] {
  const content = { resourceType: 'Patient', id: 'bench', text: { status: 'generated', div: '' } };
  const bare = connectMessage({ lfhId, content }).payload.length;
  content.text.div = 'x'.repeat(Math.max(0, Math.floor(((bytes - bare) * 3) / 4)));
  return Array.from({ length: count }, () => connectMessage({ lfhId, content }));
}

/** The first field of a message as the benchmark makes it. Parsing each would take the time that is measured. */
export function uuidOf(value: Buffer | null): string {
  const before = '{"uuid": "'.length;
  return value?.toString('latin1', before, before + 36) ?? '';
}

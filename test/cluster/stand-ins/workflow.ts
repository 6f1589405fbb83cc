import type { Admin, Producer } from 'kafkajs';
import type { JetStreamClient } from 'nats';
import { type ConnectMessage, connectMessage } from '../../kit/sites/connect-message.ts';
import type { Intake } from './intake.ts';

export interface Clients {
  readonly admin: Admin;
  readonly producer: Producer;
  readonly jetstream: JetStreamClient;
}

/**
 * What connect does with each message: it stores the data record in Kafka, announces the same with what came of that, and publishes
 * how long each step took. It has no FHIR servers.
 */
export class Workflow {
  readonly #clients: Clients;
  readonly #topics = new Set<string>();

  constructor(clients: Clients) {
    this.#clients = clients;
  }

  /** @param announce not what it replays. @returns what is announced */
  async run(lfhId: string, intake: Intake, announce = true): Promise<Buffer> {
    const nothing = (): Promise<void> => Promise.resolve();
    const { payload } = await this.#timed('run', async () => {
      await this.#timed('transform', nothing);
      const stored = await this.#timed('persist', () => this.#persist(lfhId, intake));
      await this.#timed('transmit', nothing);
      await this.#timed('synchronize', () => (announce ? this.publish('EVENTS.sync', stored.payload) : nothing()));
      return stored;
    });
    return payload;
  }

  /** Resolves when its own NATS has stored it. */
  async publish(subject: string, payload: Uint8Array | string): Promise<void> {
    await this.#clients.jetstream.publish(subject, payload);
  }

  /** Writes a record without key and headers, because connect finds only such records again. @returns where it is */
  async produce(topic: string, value: Buffer): Promise<string> {
    const { admin, producer } = this.#clients;
    if (!this.#topics.has(topic)) {
      const there = await admin.listTopics();
      if (!there.includes(topic)) await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] });
      this.#topics.add(topic);
    }
    const [stored] = await producer.send({ topic, acks: -1, messages: [{ key: null, value }] });
    return `${topic}:${stored?.partition ?? 0}:${stored?.baseOffset ?? 0}`;
  }

  async #persist(
    lfhId: string,
    { url, format, content, attributes, operation = 'POST' }: Intake,
  ): Promise<ConnectMessage> {
    const began = performance.now();
    const now = `${new Date().toISOString().slice(0, 19)}+00:00`;
    const common = { operation, creation_date: now, store_date: now, transmission_attributes: attributes };
    const message = { lfhId, content, format, url };
    const unknownYet = {
      status: null,
      data_record_location: null,
      elapsed_storage_time: null,
      elapsed_total_time: null,
    };
    const { uuid, payload } = connectMessage({ ...message, overrides: { ...common, ...unknownYet } });
    const location = await this.produce(format, payload);
    const known = {
      uuid,
      data_record_location: location,
      elapsed_storage_time: secondsSince(began),
      elapsed_total_time: secondsSince(began),
    };
    return connectMessage({ ...message, overrides: { ...common, ...known } });
  }

  async #timed<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
    const began = performance.now();
    const result = await work();
    const timing = `{"function": "${name}", "elapsed_time": ${secondsSince(began)}}`;
    await this.publish('EVENTS.timing', timing);
    return result;
  }
}

/** With a microsecond's digits. */
function secondsSince(began: number): number {
  return Math.round((performance.now() - began) * 1_000) / 1_000_000;
}

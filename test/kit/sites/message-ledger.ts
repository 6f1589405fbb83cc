import assert from 'node:assert/strict';
import { SYNC_SUBJECT, SYNC_TOPIC } from '../../../common/contract/names.ts';
import { until } from '../processes/process.ts';
import { type KafkaClients, readTopic, replayedUuids } from '../servers/topic-reader.ts';
import { type ConnectMessage, connectMessage } from './connect-message.ts';
import type { Site } from './site.ts';

/** No test sends for longer than this. One that fails in the middle never says that it is done, and its process would not end. */
const MOST_SENDING_MS = 240_000;

/** Records the messages that were sent through some sites, and checks what has become of them at another. */
export class MessageLedger {
  readonly #sent = new Map<Site, string[]>();

  /** Announces `count` more messages at a site, as connect does. @returns their uuids */
  async send(from: Site, count: number, bytes = 200): Promise<string[]> {
    const messages = makeMessages(from, count, bytes);
    await from.announce(messages.map(({ payload }) => payload));
    return this.#note(from, messages);
  }

  /**
   * Announces messages over one open connection until `done`, or until a test that has failed meanwhile could say so no more.
   *
   * @returns how many
   */
  async sendUntil(from: Site, done: () => boolean): Promise<number> {
    const connection = await from.connect();
    const jetstream = connection.jetstream({ timeout: 60_000 });
    let count = 0;
    const deadline = Date.now() + MOST_SENDING_MS;
    while (!done() && Date.now() < deadline) {
      const messages = makeMessages(from, 20, 200);
      await Promise.all(messages.map(({ payload }) => jetstream.publish(SYNC_SUBJECT, payload)));
      count += this.#note(from, messages).length;
    }
    await connection.close();
    return count;
  }

  /** Announces some messages, about a hundred a second, until `done`. */
  async sendSlowlyUntil(from: Site, done: () => boolean): Promise<void> {
    while (!done()) {
      await this.send(from, 10);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  get count(): number {
    return [...this.#sent.values()].reduce((sum, uuids) => sum + uuids.length, 0);
  }

  /** Waits until that many messages have arrived. Then each has to be there once, in its origin's order, in both topics. */
  async arrivedOnce(at: { readonly kafka: KafkaClients }, timeoutMs = 120_000): Promise<void> {
    const sent = new Set([...this.#sent.values()].flat());
    const enough = async (): Promise<boolean> => {
      const found = await replayedUuids(at.kafka);
      return found.filter((uuid) => sent.has(uuid)).length >= this.count;
    };
    await until(`${this.count} messages are in Kafka`, enough, timeoutMs, 250);
    for (const topic of ['LFH_SYNC', 'FHIR-R4']) {
      const found = await replayedUuids(at.kafka, topic);
      assert.equal(new Set(found).size, found.length, `${topic} has repeats`);
      for (const [from, uuids] of this.#sent) {
        const own = new Set(uuids);
        assert.deepEqual(
          found.filter((uuid) => own.has(uuid)),
          uuids,
          `${topic} does not have what ${from.lfhId} sent, in that order`,
        );
      }
    }
    assert.deepEqual(await readTopic(at.kafka, 'LFH_EXCEPTION'), []);
  }

  /** Waits until all is announced. Then each has to be there once, in its origin's order, with the bytes of LFH_SYNC. */
  async announcedOnce(at: Site, timeoutMs = 60_000): Promise<void> {
    const enough = async (): Promise<boolean> => (await at.appSync()).length >= this.count;
    await until(`${this.count} messages are announced`, enough, timeoutMs, 250);
    const announced = (await at.appSync()).map(({ data }) => data.toString('utf8'));
    const uuids = announced.map((data) => (JSON.parse(data) as { uuid: string }).uuid);
    assert.equal(new Set(uuids).size, uuids.length, 'some were announced again');
    for (const [from, sent] of this.#sent) {
      const own = new Set(sent);
      const ofThat = uuids.filter((uuid) => own.has(uuid));
      assert.deepEqual(ofThat, sent, `not what ${from.lfhId} sent, in that order`);
    }
    const replayed = (await readTopic(at.kafka, SYNC_TOPIC)).map(({ value }) => value.toString('utf8'));
    assert.deepEqual(announced.toSorted(), replayed.toSorted());
  }

  /** Waits until everything in the durable of `receiver` at a site is acknowledged. */
  async acknowledged(from: Site, receiver: Site, timeoutMs = 60_000): Promise<void> {
    const done = async (): Promise<boolean> => {
      const { num_pending, num_ack_pending } = await from.durableInfo(receiver.lfhId);
      return num_pending === 0 && num_ack_pending === 0;
    };
    await until(`${from.lfhId} knows that all has arrived`, done, timeoutMs);
  }

  #note(from: Site, messages: readonly ConnectMessage[]): string[] {
    const uuids = messages.map(({ uuid }) => uuid);
    this.#sent.set(from, [...(this.#sent.get(from) ?? []), ...uuids]);
    return uuids;
  }
}

function makeMessages(from: Site, count: number, bytes: number): ConnectMessage[] {
  const content = { resourceType: 'Patient', text: { div: 'x'.repeat(bytes) } };
  return Array.from({ length: count }, () => connectMessage({ lfhId: from.lfhId, content }));
}

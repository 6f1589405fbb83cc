import type { NatsConnection } from 'nats';
import { connectsDeliverSubject } from '../../kit/servers/upstream-connect.ts';
import type { Workflow } from './workflow.ts';

/** As nats-py waits for the answer to an acknowledgement. */
const ACKNOWLEDGED_MS = 1_000;

interface Received {
  readonly uuid: string;
  readonly lfh_id: string;
  readonly operation: string;
  readonly consuming_endpoint_url: string;
  readonly data: string;
  readonly data_format: string;
}

/**
 * connect's subscriptions to EVENTS.sync, at its own NATS and at others. It does with each message what connect does, in the same
 * order, with the same faults (docs/upstream.md, "What the receiver does"): whatever fails after the acknowledgement loses the message.
 */
export class Receiver {
  readonly #lfhId: string;
  readonly #workflow: Workflow;

  constructor(lfhId: string, workflow: Workflow) {
    this.#lfhId = lfhId;
    this.#workflow = workflow;
  }

  /** @throws Error where another one is subscribed, or where nobody answers */
  async subscribe(connection: NatsConnection): Promise<void> {
    const subscription = connection.subscribe(await connectsDeliverSubject(connection));
    await connection.flush();
    const server = connection.getServer();
    console.log(`subscribed to ${subscription.getSubject()} at ${server}`);
    const takeAll = async (): Promise<void> => {
      for await (const message of subscription) {
        const acknowledge = (): Promise<unknown> =>
          connection.request(message.reply ?? '', '', { timeout: ACKNOWLEDGED_MS });
        await this.#take(message.data, acknowledge).catch((error: unknown) => console.log(String(error)));
      }
    };
    void takeAll().catch((error: unknown) => console.log(`the subscription at ${server} has ended: ${String(error)}`));
  }

  async #take(bytes: Uint8Array, acknowledge: () => Promise<unknown>): Promise<void> {
    const message = JSON.parse(Buffer.from(bytes).toString('utf8')) as Received;
    console.log(`received a message with id=${message.uuid}`);
    await acknowledge();
    await this.#workflow.publish('EVENTS.app_sync', bytes);
    if (message.lfh_id === this.#lfhId) return;
    await this.#workflow.produce('LFH_SYNC', Buffer.from(bytes));
    const { lfh_id, operation, consuming_endpoint_url: url, data_format: format } = message;
    const text = Buffer.from(message.data, 'base64').toString('utf8');
    // It takes all but the X12 of older nodes for JSON, so what is not goes no further.
    const content: unknown = format.startsWith('X12_') ? text : JSON.parse(text);
    await this.#workflow.run(lfh_id, { url, format, content, operation, attributes: null }, false);
    console.log(`successfully replayed nats sync message with id=${message.uuid}`);
  }
}

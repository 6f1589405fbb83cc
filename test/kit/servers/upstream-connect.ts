import { once } from 'node:events';
import { connect, type Msg, type NatsConnection, nkeyAuthenticator } from 'nats';
import { CONNECT_INFO_SUBJECT } from '../../../common/contract/durable.ts';

export interface UpstreamOptions {
  readonly url: string;
  readonly seed: Uint8Array;
  /** PEM of the CA that vouches for the server. */
  readonly ca: string;
}

/** As nats-py waits for an answer of JetStream. */
const ANSWER_MS = 5_000;

/**
 * Asks for the durable SYNC, as nats-py does before it subscribes. @returns where its messages are delivered
 *
 * @throws Error as nats-py does, where another one is subscribed, or where nobody answers
 */
export async function connectsDeliverSubject(connection: NatsConnection): Promise<string> {
  const answer = await connection.request(CONNECT_INFO_SUBJECT, '', { timeout: ANSWER_MS });
  const info = answer.json<{ config?: { deliver_subject?: string }; push_bound?: boolean }>();
  if (info.push_bound) throw new Error('nats: JetStream.Error consumer is already bound to a subscription');
  return info.config?.deliver_subject ?? '';
}

/**
 * What connect without lfh-sync does at the NATS of another site: what was traced of nats-py 2.1.3, in the same order
 * (docs/upstream.md, "What it asks of a remote's NATS"). It asks for the durable SYNC whoever it is, subscribes to the subject in
 * the answer, and acknowledges each message on its reply subject, with a reply.
 */
export class UpstreamConnect {
  readonly #connection: NatsConnection;
  readonly #received: string[] = [];
  readonly #arrivals = new EventTarget();

  private constructor(connection: NatsConnection) {
    this.#connection = connection;
  }

  /** @throws Error as nats-py does, where another one is subscribed, or where nobody answers */
  static async start({ url, seed, ca }: UpstreamOptions): Promise<UpstreamConnect> {
    const connection = await connect({
      servers: [url],
      tls: { ca },
      authenticator: nkeyAuthenticator(seed),
      maxReconnectAttempts: -1,
      reconnectTimeWait: 100,
      timeout: 20_000,
    });
    const upstream = new UpstreamConnect(connection);
    try {
      await upstream.#subscribe();
      return upstream;
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  /** The texts of all messages that were delivered, in this order. */
  get received(): readonly string[] {
    return this.#received;
  }

  /** Waits until so many were delivered. The caller's test has the deadline. */
  async hasReceived(count: number): Promise<void> {
    while (this.#received.length < count) {
      await once(this.#arrivals, 'arrival', { signal: AbortSignal.timeout(30_000) }).catch(() => {
        throw new Error(`${this.#received.length} of ${count} messages were delivered`);
      });
    }
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  async #subscribe(): Promise<void> {
    this.#connection.subscribe(await connectsDeliverSubject(this.#connection), {
      callback: (error, message) => void (error ?? this.#take(message)),
    });
    await this.#connection.flush();
  }

  #take(message: Msg): void {
    this.#received.push(message.string());
    // The answer to it is not waited for: while the server restarts there is none, and the message comes again.
    this.#connection.request(message.reply ?? '', '', { timeout: ANSWER_MS }).catch(() => undefined);
    this.#arrivals.dispatchEvent(new Event('arrival'));
  }
}

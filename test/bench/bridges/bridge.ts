import { type ConsumerInfo, connect, type JsMsg, nkeyAuthenticator } from 'nats';

/**
 * What the bridges have in common: what a good programmer would write in an afternoon. They pull as much as the sidecar
 * does, write two records each and the position in one transaction, and acknowledge the last. There is no validation, no
 * take-over and no limit. They are the benchmark's yardstick, and run beside ours.
 */

/** The one argument of a bridge, as JSON. Every command that is given to the benchmark gets it, too. */
export interface BridgeSettings {
  readonly server: string;
  readonly ca: string;
  readonly seed: string;
  readonly inboxPrefix: string;
  readonly stream: string;
  readonly durable: string;
  readonly brokers: string[];
  /** How many messages to have pulled and not written yet at most. */
  readonly ahead: number;
  readonly topics: { readonly raw: string; readonly data: string; readonly position: string };
}

export interface Batch {
  /** The messages in parts that Kafka takes as one batch, each with what becomes of it. */
  readonly parts: readonly (readonly { readonly raw: Buffer; readonly data: string }[])[];
  /** The stream sequence of the last message. */
  readonly position: string;
}

/** Kafka takes at most 1 MB in one batch of one partition. */
const MOST_BYTES = 900_000;

export const settings = JSON.parse(process.argv[2] ?? '{}') as BridgeSettings;

/** Signs in, and is handed every message of the durable. */
export async function pull(callback: (message: JsMsg) => void): Promise<void> {
  const nc = await connect({
    servers: [settings.server],
    tls: { ca: settings.ca },
    authenticator: nkeyAuthenticator(new TextEncoder().encode(settings.seed)),
    inboxPrefix: settings.inboxPrefix,
  });
  const info = { stream_name: settings.stream, name: settings.durable, config: {} } as ConsumerInfo;
  const consumer = nc.jetstream().consumers.getPullConsumerFor(info);
  await consumer.consume({ max_messages: settings.ahead, expires: 4_000, callback });
}

/** Pulls for ever, and acknowledges what `write` has committed. */
export async function bridge(write: (batch: Batch) => Promise<void>): Promise<never> {
  const arrived: JsMsg[] = [];
  let wake: () => void = () => undefined;
  await pull((message) => {
    arrived.push(message);
    wake();
  });
  for (;;) {
    if (arrived.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    const messages = arrived.splice(0, Math.ceil(settings.ahead / 2));
    const last = messages.at(-1);
    if (!last) continue;
    await write({ parts: inParts(messages), position: String(last.seq) });
    last.ack();
  }
}

function inParts(messages: readonly JsMsg[]): { raw: Buffer; data: string }[][] {
  const parts: { raw: Buffer; data: string }[][] = [];
  let room = 0;
  for (const message of messages) {
    const raw = Buffer.from(message.data.buffer, message.data.byteOffset, message.data.byteLength);
    if (raw.length > room) {
      parts.push([]);
      room = MOST_BYTES;
    }
    room -= raw.length + 100;
    parts.at(-1)?.push({ raw, data: dataRecord(raw) });
  }
  return parts;
}

function dataRecord(raw: Buffer): string {
  const { uuid, lfh_id, operation, consuming_endpoint_url, data, data_format } = JSON.parse(raw.toString());
  const now = new Date().toISOString();
  const dates = { creation_date: now, store_date: now };
  return JSON.stringify({ uuid, lfh_id, operation, ...dates, consuming_endpoint_url, data, data_format });
}

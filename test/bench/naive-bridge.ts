import { Kafka, logLevel, Partitioners } from 'kafkajs';
import type { ConsumerInfo } from 'nats';
import { connect, type JsMsg, nkeyAuthenticator } from 'nats';

/**
 * What a good programmer would write in an afternoon: pull 500 messages, write two records each and the position in one
 * transaction, acknowledge the last. No validation, no take-over, no limits. The benchmark's yardstick, run beside ours.
 *
 * Settings come as one JSON argument; runs until it is ended.
 */
interface BridgeSettings {
  readonly server: string;
  readonly ca: string;
  readonly seed: string;
  readonly inboxPrefix: string;
  readonly stream: string;
  readonly durable: string;
  readonly brokers: string[];
  readonly topics: { readonly raw: string; readonly data: string; readonly position: string };
}

const settings = JSON.parse(process.argv[2] ?? '{}') as BridgeSettings;
const { raw, data: dataTopic, position } = settings.topics;

const nc = await connect({
  servers: [settings.server],
  tls: { ca: settings.ca },
  authenticator: nkeyAuthenticator(new TextEncoder().encode(settings.seed)),
  inboxPrefix: settings.inboxPrefix,
});
const info = { stream_name: settings.stream, name: settings.durable, config: {} } as ConsumerInfo;
const consumer = nc.jetstream().consumers.getPullConsumerFor(info);
const producer = new Kafka({
  brokers: settings.brokers,
  logLevel: logLevel.NOTHING,
  retry: { initialRetryTime: 2 },
}).producer({
  transactionalId: 'naive-bridge',
  idempotent: true,
  maxInFlightRequests: 1,
  createPartitioner: Partitioners.DefaultPartitioner,
});
await producer.connect();

const arrived: JsMsg[] = [];
let wake: () => void = () => undefined;
await consumer.consume({
  max_messages: 500,
  expires: 4_000,
  callback: (message) => {
    arrived.push(message);
    wake();
  },
});

for (;;) {
  if (arrived.length === 0) await new Promise<void>((resolve) => (wake = resolve));
  const batch = arrived.splice(0, 500);
  const last = batch.at(-1);
  if (!last) continue;
  const values = batch.map((message) => Buffer.from(message.data));
  const records = values.map((value) => {
    const { uuid, lfh_id, operation, consuming_endpoint_url, data, data_format } = JSON.parse(value.toString());
    const now = new Date().toISOString();
    const record = {
      uuid,
      lfh_id,
      operation,
      creation_date: now,
      store_date: now,
      consuming_endpoint_url,
      data,
      data_format,
    };
    return { value: JSON.stringify(record) };
  });
  const transaction = await producer.transaction();
  // Kafka takes at most 1 MB in one batch of one partition.
  for (let start = 0; start < values.length; start += 250) {
    const topicMessages = [
      { topic: raw, messages: values.slice(start, start + 250).map((value) => ({ value })) },
      { topic: dataTopic, messages: records.slice(start, start + 250) },
    ];
    await transaction.sendBatch({ topicMessages });
  }
  await transaction.send({ topic: position, messages: [{ key: 'position', value: String(last.seq) }] });
  await transaction.commit();
  last.ack();
}

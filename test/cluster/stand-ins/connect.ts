import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import { Kafka, logLevel } from 'kafkajs';
import { connect as connectNats, nkeyAuthenticator } from 'nats';
import { EVENTS_STREAM } from '../../kit/servers/events-stream.ts';
import { connectMessage } from '../../kit/sites/connect-message.ts';

/**
 * Stands in for LinuxForHealth connect: takes messages in over HTTP, stores each in Kafka and announces it on NATS, as connect
 * does (docs/upstream.md); settings have connect's names. `POST /fhir/<type>` takes FHIR, `POST /x12` and `POST /hl7` take text.
 */
const {
  CONNECT_LFH_ID = 'unnamed',
  CONNECT_CA_FILE,
  NATS_NK_FILE,
  NATS_SERVERS,
  KAFKA_BOOTSTRAP_SERVERS,
} = process.env;
const FORMATS: Readonly<Record<string, string>> = { fhir: 'FHIR-R4', x12: 'X12-5010', hl7: 'HL7-V2' };
const PORT = 5000;

const kafka = new Kafka({
  brokers: list(KAFKA_BOOTSTRAP_SERVERS, 'kafka:9092'),
  clientId: 'connect',
  logLevel: logLevel.WARN,
  retry: { retries: 200, maxRetryTime: 2_000 },
});
const [admin, producer] = [kafka.admin(), kafka.producer({ allowAutoTopicCreation: false })];
await Promise.all([admin.connect(), producer.connect()]);
const nats = await connectNats({
  servers: list(NATS_SERVERS, 'tls://nats:4222'),
  name: 'connect',
  waitOnFirstConnect: true,
  maxReconnectAttempts: -1,
  ...(CONNECT_CA_FILE && { tls: { ca: await readFile(CONNECT_CA_FILE, 'utf8') } }),
  ...(NATS_NK_FILE && { authenticator: nkeyAuthenticator(await readFile(NATS_NK_FILE)) }),
});
await nats.request('$JS.API.STREAM.CREATE.EVENTS', JSON.stringify(EVENTS_STREAM), { timeout: 10_000 });

/** Stores a message and then announces it. The caller answers after that. @returns what is announced */
async function takeIn(url: string, format: string, body: Buffer): Promise<string> {
  const content: unknown = format === 'FHIR-R4' ? JSON.parse(body.toString('utf8')) : body;
  const unknownYet = {
    status: null,
    data_record_location: null,
    elapsed_storage_time: null,
    elapsed_total_time: null,
    transmission_attributes: null,
  };
  const record = connectMessage({ lfhId: CONNECT_LFH_ID, content, format, url, overrides: unknownYet });
  const topics = await admin.listTopics();
  if (!topics.includes(format)) await admin.createTopics({ topics: [{ topic: format, numPartitions: 1 }] });
  // Without key and headers, because connect finds only such records again.
  const [stored] = await producer.send({ topic: format, acks: -1, messages: [{ key: null, value: record.payload }] });
  const location = `${format}:${stored?.partition ?? 0}:${stored?.baseOffset ?? 0}`;
  const overrides = { uuid: record.uuid, data_record_location: location };
  const { payload } = connectMessage({ lfhId: CONNECT_LFH_ID, content, format, url, overrides });
  await nats.jetstream().publish('EVENTS.sync', payload);
  return payload.toString('utf8');
}

const server = createServer((request, response) => {
  const answer = (status: number, text: string): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(text);
  };
  const { method, url = '/' } = request;
  const format = FORMATS[url.split('/')[1] ?? ''];
  if (method === 'GET' && url === '/status') return answer(200, JSON.stringify({ connect_lfh_id: CONNECT_LFH_ID }));
  if (method !== 'POST' || !format) return answer(404, '{}');
  bodyOf(request)
    .then((body) => takeIn(url, format, body))
    .then(
      (message) => answer(200, message),
      (error: Error) => answer(500, JSON.stringify({ error: error.message })),
    );
});
server.listen(PORT);

process.once('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
  void Promise.all([nats.drain(), producer.disconnect(), admin.disconnect()]);
});

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Reads a JSON list, or the form that connect's manifests have. */
function list(value: string | undefined, fallback: string): string[] {
  if (!value) return [fallback];
  return value.startsWith('[') ? (JSON.parse(value) as string[]) : value.split(',');
}

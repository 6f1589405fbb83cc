import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import { connect as connectNats, nkeyAuthenticator } from 'nats';
import { STREAM } from '../../../common/contract/names.ts';
import { CONNECTS_OWN, EVENTS_STREAM } from '../../kit/servers/events-stream.ts';
import { intakesOf, Refused } from './intake.ts';
import { Receiver } from './receiver.ts';
import { Workflow } from './workflow.ts';

/**
 * Stands in for LinuxForHealth connect 0.42: takes messages in over HTTP at its routes, stores each in Kafka, announces it on NATS, and
 * receives from its own and other NATS, as connect does (test/kit/golden, docs/upstream.md); settings have connect's names. It has
 * no FHIR servers, and connects again for ever, as with NATS_MAX_RECONNECT_ATTEMPTS=-1.
 */
const {
  CONNECT_LFH_ID = 'unnamed',
  CONNECT_CA_FILE,
  NATS_NK_FILE,
  NATS_SERVERS,
  NATS_SYNC_SUBSCRIBERS,
  KAFKA_BOOTSTRAP_SERVERS,
  UVICORN_PORT = '5000',
} = process.env;

const kafka = new Kafka({
  brokers: list(KAFKA_BOOTSTRAP_SERVERS, 'kafka:9092'),
  clientId: 'connect',
  logLevel: logLevel.WARN,
  retry: { retries: 200, maxRetryTime: 2_000 },
});
const [admin, producer] = [kafka.admin(), kafka.producer({ allowAutoTopicCreation: false })];
await Promise.all([admin.connect(), producer.connect()]);
const common = {
  name: 'connect',
  waitOnFirstConnect: true,
  maxReconnectAttempts: -1,
  ...(CONNECT_CA_FILE && { tls: { ca: await readFile(CONNECT_CA_FILE, 'utf8') } }),
  ...(NATS_NK_FILE && { authenticator: nkeyAuthenticator(await readFile(NATS_NK_FILE)) }),
};
const nats = await connectNats({ ...common, servers: list(NATS_SERVERS, 'tls://nats:4222') });
await nats.request('$JS.API.STREAM.CREATE.EVENTS', JSON.stringify(EVENTS_STREAM), { timeout: 10_000 });
const durable = JSON.stringify({ stream_name: STREAM, config: CONNECTS_OWN });
await nats.request('$JS.API.CONSUMER.DURABLE.CREATE.EVENTS.SYNC', durable, { timeout: 10_000 });
const workflow = new Workflow({ admin, producer, jetstream: nats.jetstream() });
const receiver = new Receiver(CONNECT_LFH_ID, workflow);
// connect would not start here as a second replica, and the kubelet would start it again until the other one is gone. Its sites are
// tested with several, so this one goes on, and tries again.
await receiver.subscribe(nats).catch((error: Error) => {
  console.log(error.message);
  void subscribeLater();
});
const remotes = await Promise.all(
  list(NATS_SYNC_SUBSCRIBERS, []).map((url) => connectNats({ ...common, servers: [url] })),
);
try {
  for (const remote of remotes) await receiver.subscribe(remote);
} catch (error) {
  // connect hangs here, until an administrator starts it again. That is what the kubelet does.
  console.error(error);
  process.exit(1);
}

const server = createServer((request, response) => {
  const answer = (status: number, text: string): void => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    response.writeHead(status, headers).end(text);
  };
  const { method, url = '/' } = request;
  if (method === 'GET' && url === '/status') return answer(200, JSON.stringify({ application_version: '0.42.0' }));
  if (method !== 'POST') return answer(405, JSON.stringify({ detail: 'Method Not Allowed' }));
  takeIn(url, request).then(
    (text) => answer(200, text),
    (error: Error) => answer(error instanceof Refused ? error.status : 500, JSON.stringify({ detail: error.message })),
  );
});
server.listen(Number(UVICORN_PORT));

/** @returns what was announced: of `/x12` a list, of all else one message */
async function takeIn(path: string, request: IncomingMessage): Promise<string> {
  const intakes = await intakesOf({ path, rawHeaders: request.rawHeaders, body: await bodyOf(request) });
  const announced: string[] = [];
  for (const intake of intakes) announced.push((await workflow.run(CONNECT_LFH_ID, intake)).toString('utf8'));
  return path === '/x12' ? `[${announced.join(',')}]` : announced.join('');
}

process.once('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
  void Promise.all([...[nats, ...remotes].map((each) => each.drain()), producer.disconnect(), admin.disconnect()]);
});

async function subscribeLater(): Promise<void> {
  for (let isSubscribed = false; !isSubscribed; ) {
    await sleep(1_000, undefined, { ref: false });
    isSubscribed = await receiver.subscribe(nats).then(
      () => true,
      () => false,
    );
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Reads a JSON list, or the form that connect's manifests have. */
function list(value: string | undefined, fallback: string | string[]): string[] {
  if (!value) return [fallback].flat();
  return value.startsWith('[') ? (JSON.parse(value) as string[]) : value.split(',');
}

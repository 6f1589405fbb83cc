import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createUser } from 'nkeys.js';
import { inboxPrefix, syncName } from '../../common/contract/names.ts';
import { Fetcher } from '../../sidecar/kafka/fetch.ts';
import { percentile, table } from '../kit/figures.ts';
import { ServerProcess, until } from '../kit/processes/process.ts';
import { SidecarProcess } from '../kit/processes/sidecar.ts';
import { replayedUuids } from '../kit/servers/topic-reader.ts';
import { type ConnectMessage, connectMessage } from '../kit/sites/connect-message.ts';
import { Site } from '../kit/sites/site.ts';

/**
 * Throughput and latency of the sidecar beside a naive bridge: same run, same messages, same peer, same Kafka, in turns.
 *
 * Backlog: both durables are paused while the messages are published, then each is resumed in its turn, with everybody
 * connected and waiting; measured until the last message is acknowledged, which both do after its commit. Latency: from the
 * publish until a reader of committed records sees it. Bounded in messages and rounds; all of it on 127.0.0.1.
 */
const BACKLOG = Number(process.env.BENCH_MESSAGES ?? 20_000);
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 3);
const MESSAGE_BYTES = 2400;
const PER_SECOND = 50;
const LATENCY_MESSAGES = 250;
/** They take turns at being first: the first to be measured also pays for the warm-up. */
const LATENCY_ROUNDS = 6;

interface Contender {
  readonly name: string;
  readonly lfhId: string;
  readonly topic: string;
  readonly rates: number[];
  readonly latencies: number[];
}

const ours: Contender = { name: 'lfh-sync', lfhId: 'hospital-b', topic: 'LFH_SYNC', rates: [], latencies: [] };
const bridge: Contender = { name: 'naive bridge', lfhId: 'bridge', topic: 'BRIDGE_RAW', rates: [], latencies: [] };
const contenders = [ours, bridge];
const sent: string[] = [];

const [origin, site] = await Promise.all([Site.start('hospital-a', { kafka: false }), Site.start('hospital-b')]);
try {
  const running = [await startOurs(), await startBridge()];
  // Once through, so that what is measured is warm.
  await backlog(5_000);
  for (const { rates } of contenders) rates.length = 0;
  for (let round = 0; round < ROUNDS; round += 1) await backlog(BACKLOG);
  for (const contender of contenders) await latency(contender);
  for (const { latencies } of contenders) latencies.length = 0;
  for (let round = 0; round < LATENCY_ROUNDS; round += 1) {
    for (const contender of round % 2 === 0 ? contenders : contenders.toReversed()) await latency(contender);
  }
  for (const contender of contenders) await verify(contender);
  const rows = contenders.map(({ name, rates, latencies }) => [
    name,
    String(percentile(rates, 0.5)),
    rates.join(' '),
    percentile(latencies, 0.5).toFixed(1),
    percentile(latencies, 0.99).toFixed(1),
  ]);
  console.log(table(['', 'messages/s (median)', 'each round', `p50 ms at ${PER_SECOND}/s`, 'p99 ms'], rows));
  console.log(`Latencies of ${ours.latencies.length} messages each.`);
  console.log(
    `${sent.length} messages of ${MESSAGE_BYTES} bytes; each is in both contenders' Kafka topics exactly once`,
  );
  await Promise.all(running.map((process) => process.stop()));
} finally {
  await Promise.all([origin.stop(), site.stop()]);
}

async function startOurs(): Promise<{ stop(): Promise<void> }> {
  await origin.grantAccess(site);
  // The bridge announces nothing, so neither do we here.
  const settings = { LFH_SYNC_ANNOUNCE: 'false', LFH_SYNC_LOG_LEVEL: 'info' };
  const sidecar = await SidecarProcess.start(site, { peers: [{ site: origin }], settings });
  await sidecar.waitUntilReplaying(origin);
  return sidecar;
}

async function startBridge(): Promise<{ stop(): Promise<void> }> {
  const key = createUser();
  await origin.grantAccess({ lfhId: bridge.lfhId, publicKey: key.getPublicKey() });
  const topics = { raw: bridge.topic, data: 'BRIDGE_DATA', position: 'BRIDGE_POSITION' };
  const admin = site.kafka.client().admin();
  await admin.connect();
  await admin.createTopics({ topics: Object.values(topics).map((topic) => ({ topic })), waitForLeaders: true });
  await admin.disconnect();
  const settings = {
    server: origin.nats.url,
    ca: origin.ca.ca,
    seed: new TextDecoder().decode(key.getSeed()),
    inboxPrefix: inboxPrefix(syncName(bridge.lfhId)),
    stream: 'EVENTS',
    durable: syncName(bridge.lfhId),
    brokers: site.kafka.brokers,
    topics,
  };
  const main = join(import.meta.dirname, 'naive-bridge.ts');
  const command = [process.execPath, main, JSON.stringify(settings)];
  const running = new ServerProcess(bridge.name, command, join(site.directory, 'bridge.log'));
  const waiting = async (): Promise<boolean> => (await origin.durableInfo(bridge.lfhId)).num_waiting > 0;
  return running.ready(waiting, 20_000);
}

function messages(count: number): ConnectMessage[] {
  const content = { resourceType: 'Patient', id: 'bench', text: { status: 'generated', div: '' } };
  const bare = connectMessage({ lfhId: origin.lfhId, content }).payload.length;
  content.text.div = 'x'.repeat(Math.floor(((MESSAGE_BYTES - bare) * 3) / 4));
  return Array.from({ length: count }, () => connectMessage({ lfhId: origin.lfhId, content }));
}

async function publish(batch: readonly ConnectMessage[]): Promise<void> {
  sent.push(...batch.map(({ uuid }) => uuid));
  await origin.announce(batch.map(({ payload }) => payload));
}

async function backlog(count: number): Promise<void> {
  for (const { lfhId } of contenders) await origin.pauseDurable(lfhId, true);
  await publish(messages(count));
  for (const { lfhId, rates, name } of contenders) {
    await origin.pauseDurable(lfhId, false);
    const started = performance.now();
    await acknowledged(lfhId, `${name} has replayed the backlog`);
    rates.push(Math.round((count * 1000) / (performance.now() - started)));
  }
}

function acknowledged(lfhId: string, what: string): Promise<void> {
  const done = async (): Promise<boolean> => {
    const { num_pending, num_ack_pending } = await origin.durableInfo(lfhId);
    return num_pending === 0 && num_ack_pending === 0;
  };
  return until(what, done, 120_000, 10);
}

/** Publishes at a steady rate while the other contender is paused, and looks for each message among committed records. */
async function latency(contender: Contender): Promise<void> {
  for (const other of contenders) await origin.pauseDurable(other.lfhId, other !== contender);
  const publishedAt = new Map<string, number>();
  const fetcher = new Fetcher(site.kafka.client());
  await fetcher.connect();
  let next = await endOf(contender.topic);
  const progress = { publishing: true };
  const reading = (async () => {
    while (progress.publishing || publishedAt.size > 0) {
      const fetched = await fetcher.fetch(contender.topic, 0, next, 100);
      const now = performance.now();
      next = fetched.next;
      for (const { value } of fetched.records) {
        const { uuid } = JSON.parse(String(value)) as { uuid: string };
        const at = publishedAt.get(uuid);
        if (at !== undefined) contender.latencies.push(now - at);
        publishedAt.delete(uuid);
      }
    }
  })();
  const connection = await origin.connect();
  const jetstream = connection.jetstream();
  const started = performance.now();
  for (const [index, { uuid, payload }] of messages(LATENCY_MESSAGES).entries()) {
    await sleep(Math.max(0, started + (index * 1000) / PER_SECOND - performance.now()));
    sent.push(uuid);
    publishedAt.set(uuid, performance.now());
    await jetstream.publish('EVENTS.sync', payload);
  }
  progress.publishing = false;
  await reading;
  await fetcher.disconnect();
  for (const { lfhId } of contenders) await origin.pauseDurable(lfhId, false);
  for (const { lfhId, name } of contenders) await acknowledged(lfhId, `${name} has caught up`);
}

async function endOf(topic: string): Promise<bigint> {
  const admin = site.kafka.client().admin();
  await admin.connect();
  const [offsets] = await admin.fetchTopicOffsets(topic);
  await admin.disconnect();
  return BigInt(offsets?.high ?? 0);
}

/** A figure counts only if the work was done. */
async function verify({ name, topic }: Contender): Promise<void> {
  const found = await replayedUuids(site.kafka, topic);
  if (JSON.stringify(found) !== JSON.stringify(sent)) {
    throw new Error(`${name} replayed ${found.length} of ${sent.length} messages, or not in order, or some twice`);
  }
}

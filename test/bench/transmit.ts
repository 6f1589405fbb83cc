import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { percentile, table } from '../kit/figures.ts';
import { until } from '../kit/processes/process.ts';
import { SidecarProcess } from '../kit/processes/sidecar.ts';
import { connectMessage } from '../kit/sites/connect-message.ts';
import { Site } from '../kit/sites/site.ts';

/**
 * Fifty FHIR servers, all of them up, and then one of them down: how long resources take to the others, what the replay's
 * latency is, what the sidecar needs of memory, and how much waits for whom. The same messages at the same rate in both cases. Bounded; all
 * of it on 127.0.0.1.
 */
const SERVERS = Number(process.env.BENCH_SERVERS ?? 50);
const MESSAGES = Number(process.env.BENCH_MESSAGES ?? 150);
const PER_SECOND = Number(process.env.BENCH_RATE ?? 5);
/** With all of them up and with one down, in turns. */
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 3);
const MESSAGE_BYTES = 2400;
/** Nobody listens there. */
const DOWN = 'http://127.0.0.1:1/down';

interface Figures {
  readonly what: string;
  readonly latencies: readonly number[];
  readonly mostMemory: number;
  readonly lagOfOthers: number;
  readonly lagOfDown: number;
  readonly pendingOfDown: number;
}

const published = new Map<string, number>();
let latencies: number[] = [];
let arrived = 0;
/** All servers are one process, each at a path of its own. */
const fhir = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    if (request.method === 'GET') {
      response.writeHead(404).end();
      return;
    }
    const id = /"id": ?"([^"]+)"/.exec(Buffer.concat(chunks).toString('latin1'))?.[1] ?? '';
    const at = published.get(id);
    if (at !== undefined) latencies.push(performance.now() - at);
    arrived += 1;
    response.writeHead(201).end();
  });
});
fhir.listen(0, '127.0.0.1');
await once(fhir, 'listening');
const { port } = fhir.address() as AddressInfo;

const [a, b] = await Promise.all([Site.start('hospital-a', { kafka: false }), Site.start('hospital-b')]);
try {
  await a.grantAccess(b);
  const up = Array.from({ length: SERVERS }, (_, n) => `http://127.0.0.1:${port}/server-${n}`);
  const settings = (urls: readonly string[]): Record<string, string> => ({
    LFH_SYNC_LOG_LEVEL: 'info',
    LFH_SYNC_FHIR_SERVERS: JSON.stringify(urls.map((url) => ({ url }))),
  });
  const sidecar = await SidecarProcess.start(b, { peers: [{ site: a }], settings: settings(up) });
  await sidecar.waitUntilReplaying(a);
  await takenOver(sidecar, up);
  await measure(sidecar, 'warm-up', SERVERS);
  const figures: Figures[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    await sidecar.configure([{ site: a }], settings(up));
    await takenOver(sidecar, up);
    figures.push(await measure(sidecar, `${round}: ${SERVERS} up`, SERVERS));
    await sidecar.configure([{ site: a }], settings([...up.slice(1), DOWN]));
    await takenOver(sidecar, [...up.slice(1), DOWN]);
    figures.push(await measure(sidecar, `${round}: ${SERVERS - 1} up, 1 down`, SERVERS - 1));
  }
  await sidecar.stop();
  const rows = figures.map((each) => [
    each.what,
    percentile(each.latencies, 0.5).toFixed(0),
    percentile(each.latencies, 0.99).toFixed(0),
    String(Math.round(each.mostMemory / 1024)),
    String(each.lagOfOthers),
    String(each.lagOfDown),
    String(each.pendingOfDown),
  ]);
  process.stdout.write(
    `${MESSAGES} messages of ${MESSAGE_BYTES} bytes, ${PER_SECOND} a second, to each server\n\n${table(
      ['servers', 'ms to a server, median', 'ms, p99', 'memory, MB', 'lag of the others', 'lag of it', 'it waits for'],
      rows,
    )}\n`,
  );
} finally {
  await Promise.all([a.stop(), b.stop()]);
  fhir.closeAllConnections();
  fhir.close();
}

async function takenOver(sidecar: SidecarProcess, urls: readonly string[]): Promise<void> {
  const ready = async (): Promise<boolean> => {
    const { transmit = [] } = await sidecar.status();
    return urls.every((url) => transmit.some((each) => each.url === url && each.lag !== null));
  };
  await until(`${urls.length} servers are taken over`, ready, 120_000, 200);
}

async function measure(sidecar: SidecarProcess, what: string, answering: number): Promise<Figures> {
  latencies = [];
  arrived = 0;
  const stop = new AbortController();
  const memory = sampled(sidecar, stop.signal);
  const content = { resourceType: 'Patient', text: { div: 'x'.repeat(MESSAGE_BYTES - 900) } };
  for (let n = 0; n < MESSAGES; n += PER_SECOND) {
    const started = performance.now();
    const messages = Array.from({ length: PER_SECOND }, (_, m) => {
      const id = `${what.replaceAll(/\W/g, '')}-${n + m}`;
      published.set(id, started);
      return connectMessage({ lfhId: a.lfhId, content: { ...content, id }, overrides: { operation: 'PUT' } });
    });
    await a.announce(messages.map(({ payload }) => payload));
    await sleep(Math.max(0, 1000 - (performance.now() - started)));
  }
  await until('all have arrived', () => arrived >= MESSAGES * answering, 300_000, 100);
  stop.abort();
  const { transmit = [] } = await sidecar.status();
  const down = transmit.find(({ url }) => url === DOWN);
  const others = transmit.filter(({ url }) => url !== DOWN);
  return {
    what,
    latencies,
    mostMemory: await memory,
    lagOfOthers: Math.max(...others.map(({ lag }) => lag ?? 0)),
    lagOfDown: down?.lag ?? 0,
    pendingOfDown: down?.pending ?? 0,
  };
}

/** The most memory that the sidecar had, in KB. */
async function sampled(sidecar: SidecarProcess, signal: AbortSignal): Promise<number> {
  let most = 0;
  while (!signal.aborted) {
    const status = await readFile(`/proc/${sidecar.process.pid}/status`, 'utf8');
    most = Math.max(most, Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0));
    await sleep(250);
  }
  return most;
}

import { writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { execute } from '../../image/cache.ts';
import { table } from '../kit/figures.ts';
import { type Contender, others, ours } from './contenders.ts';
import { growth, quietPeer } from './growth.ts';
import { latencies } from './latency.ts';
import { limits } from './limits.ts';
import { ANY_MACHINE } from './machine.ts';
import { benchmarksPage, CHART_TITLE, type Section } from './page.ts';
import { barChart, median, medianAndSpread, percentiles } from './report.ts';
import { Stage } from './stage.ts';
import { type Turn, turn } from './throughput.ts';

/**
 * Throughput, latency, processor time and memory of the sidecar beside bridges that do the same without any care. It is one run with
 * the same messages, the same peer and the same Kafka, in turns. Beside a bridge, and with many peers, a figure counts only where
 * every message is there once, in order. It refuses to report from a machine that does other work. Bounded in messages and rounds;
 * all of it on 127.0.0.1.
 *
 *   node test/bench/main.ts [--write] [part …]     parts: throughput limits backlog size latency peers
 *
 * `make bench` gives this process a large young generation: it publishes and reads, so its pauses would count as the contenders'
 * latency.
 *
 * `--write` writes docs/benchmarks.md and its picture. It needs all parts, since the page has a table of each.
 *
 * Of the environment: BENCH_COMMAND names one more program to measure. BENCH_MESSAGES, BENCH_ROUNDS and BENCH_LATENCY_ROUNDS say how
 * much is measured, BENCH_PATIENCE_S how long to wait for a quiet machine, and BENCH_ANY_MACHINE=true that it need not be quiet.
 * `HOW_TO_RUN_IT` in page.ts says more of each.
 */
const MESSAGES = Number(process.env.BENCH_MESSAGES ?? 100_000);
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5);
const MESSAGE_BYTES = 2_400;
/** Rates in messages a second, with the seconds that each is kept up. */
const RATES = [
  { perSecond: 50, seconds: 20 },
  { perSecond: 2_000, seconds: 10 },
];
const LATENCY_ROUNDS = Number(process.env.BENCH_LATENCY_ROUNDS ?? 3);
/** Sizes of messages in bytes, with how many of each. The largest is what a NATS server takes by default, with some to spare. */
const SIZES = [
  { bytes: 1_000, count: 40_000 },
  { bytes: 10_000, count: 10_000 },
  { bytes: 100_000, count: 1_000 },
  { bytes: 900_000, count: 200 },
];
/** Messages that wait. The last is ten times what the other contenders are measured with. */
const BACKLOGS = [10_000, 100_000, 1_000_000];
const PEERS = [1, 10, 50];
const SIDECARS = [1, 2, 3];
const ALL_PARTS = ['throughput', 'limits', 'backlog', 'size', 'latency', 'peers'];

const [flags, given] = [true, false].map((isFlag) =>
  process.argv.slice(2).filter((each) => each.startsWith('--') === isFlag),
);
const parts = given?.length ? given : ALL_PARTS;
const unknown = parts.filter((part) => !ALL_PARTS.includes(part));
if (unknown.length > 0) throw new Error(`there is no part ${unknown.join()}; there are ${ALL_PARTS.join(', ')}`);
if (flags?.includes('--write') && !ALL_PARTS.every((part) => parts.includes(part))) {
  throw new Error('--write needs all parts: without some of them, their tables would go from docs/benchmarks.md');
}

process.stderr.write('compiling the sidecar, as the image has it\n');
await execute('npm', ['run', '--silent', 'build'], { cwd: join(import.meta.dirname, '..', '..') });
const sections: Section[] = [];
const stage = await Stage.start();
try {
  const contenders = [await ours(stage), ...(await others(stage))];
  if (parts.includes('throughput')) sections.push(await throughput(contenders));
  if (parts.includes('limits')) sections.push(await limitsOfServers());
  if (parts.includes('backlog')) sections.push(await backlogs(contenders[0] as Contender));
  if (parts.includes('size')) sections.push(await sizes(contenders));
  if (parts.includes('latency')) sections.push(await latency(contenders));
} finally {
  await stage.stop();
}
if (parts.includes('peers')) sections.push(await peers(), await quiet());
for (const { title, head, rows, text } of sections) {
  process.stdout.write(`\n${title}\n\n${table(head, rows)}\n\n${text}\n`);
}
if (ANY_MACHINE)
  process.stdout.write('\nNobody looked whether this machine did other work: these figures mean nothing.\n');
else if (flags?.includes('--write')) await write();

async function throughput(contenders: readonly Contender[]): Promise<Section> {
  await stage.fill(MESSAGES, MESSAGE_BYTES);
  const turns = new Map<Contender, Turn[]>(contenders.map((contender) => [contender, []]));
  // Once through, so that the servers are warm.
  for (const contender of contenders) await turn(stage, contender);
  for (let round = 0; round < ROUNDS; round += 1) {
    // They take turns at being first.
    for (const contender of round % 2 === 0 ? contenders : contenders.toReversed()) {
      const result = await turn(stage, contender);
      turns.get(contender)?.push(result);
      process.stderr.write(`round ${round + 1}: ${contender.name} ${Math.round(result.fromStart)}/s from its start\n`);
    }
  }
  const rows = [...turns].map(([{ name }, all]) => [
    name,
    medianAndSpread(all.map(({ fromStart }) => fromStart)),
    medianAndSpread(all.map(({ fromFirst }) => fromFirst)),
    medianAndSpread(
      all.map(({ untilFirst }) => untilFirst),
      2,
    ),
    medianAndSpread(
      all.map(({ cpu }) => cpu),
      2,
    ),
    medianAndSpread(all.map(({ memory }) => memory)),
  ]);
  return {
    title: 'A backlog',
    text:
      `${MESSAGES.toLocaleString('en')} messages of ${MESSAGE_BYTES} bytes wait in the stream. The process is started beside a ` +
      `Kafka and a NATS that run. Median of ${ROUNDS} turns [lowest to highest].`,
    head: [
      '',
      'messages/s from start',
      'from the first record',
      'seconds to the first record',
      'CPU seconds per 10,000 messages',
      'memory MB',
    ],
    rows,
    bars: [...turns].map(([{ name }, all]) => ({
      name,
      value: median(all.map(({ fromStart }) => fromStart)),
      isOurs: name === 'lfh-sync',
    })),
  };
}

async function limitsOfServers(): Promise<Section> {
  if (stage.sent.length === 0) await stage.fill(MESSAGES, MESSAGE_BYTES);
  const found = await limits(stage, MESSAGE_BYTES);
  return {
    title: 'What the servers can do alone',
    text: 'Nothing that does more than one of these can be faster than it, on the same machine and with the same clients.',
    head: ['', 'messages/s'],
    rows: found.map(({ name, perSecond }) => [name, Math.round(perSecond).toLocaleString('en')]),
  };
}

async function backlogs(us: Contender): Promise<Section> {
  const rows: string[][] = [];
  for (const count of BACKLOGS) {
    await stage.fill(count, MESSAGE_BYTES);
    const { fromStart, cpu, memory } = await turn(stage, us);
    process.stderr.write(`${count} messages: ${Math.round(fromStart)}/s from its start\n`);
    const figures = [Math.round(fromStart).toLocaleString('en'), cpu.toFixed(2), String(memory)];
    rows.push([count.toLocaleString('en'), ...figures]);
  }
  return {
    title: 'Growth with the backlog',
    text: `Messages of ${MESSAGE_BYTES} bytes wait, and ${us.name} is started. One turn each.`,
    head: ['messages', 'messages/s from start', 'CPU seconds per 10,000 messages', 'memory MB'],
    rows,
  };
}

async function sizes(contenders: readonly Contender[]): Promise<Section> {
  const rows: string[][] = [];
  for (const { bytes, count } of SIZES) {
    await stage.fill(count, bytes);
    const cells: string[] = [];
    for (const contender of contenders) {
      const { fromFirst } = await turn(stage, contender);
      process.stderr.write(`${bytes} bytes: ${contender.name} ${Math.round(fromFirst)}/s\n`);
      cells.push(`${Math.round(fromFirst).toLocaleString('en')}/s, ${((fromFirst * bytes) / 1e6).toFixed(0)} MB/s`);
    }
    rows.push([`${(bytes / 1000).toFixed(0)} KB`, ...cells]);
  }
  return {
    title: 'Growth with size',
    text: 'From the first record. One turn each.',
    head: ['a message', ...contenders.map(({ name }) => name)],
    rows,
  };
}

async function latency(contenders: readonly Contender[]): Promise<Section> {
  const all = new Map<string, number[]>();
  for (let round = 0; round < LATENCY_ROUNDS; round += 1) {
    for (const { perSecond, seconds } of RATES) {
      for (const contender of round % 2 === 0 ? contenders : contenders.toReversed()) {
        const load = { perSecond, count: perSecond * seconds, bytes: MESSAGE_BYTES };
        const found = await latencies(stage, contender, load);
        const key = `${contender.name} ${perSecond}`;
        all.set(key, [...(all.get(key) ?? []), ...found]);
      }
    }
  }
  return {
    title: 'Latency',
    text:
      'From the publish at the origin until a reader of committed records has it, in milliseconds: p50 / p99 / p99.9. ' +
      `${LATENCY_ROUNDS} turns each.`,
    head: ['', ...RATES.map(({ perSecond }) => `at ${perSecond.toLocaleString('en')}/s`)],
    rows: contenders.map(({ name }) => [
      name,
      ...RATES.map(({ perSecond }) => percentiles(all.get(`${name} ${perSecond}`) ?? [])),
    ]),
  };
}

async function peers(): Promise<Section> {
  const shapes = [...PEERS.map((count) => [count, 1]), ...SIDECARS.slice(1).map((count) => [10, count])];
  const rows: string[][] = [];
  for (const [count = 0, sidecars = 0] of shapes) {
    const { perSecond, cpu, memory } = await growth(count, sidecars, MESSAGES / 2, MESSAGE_BYTES);
    rows.push([
      String(count),
      String(sidecars),
      Math.round(perSecond).toLocaleString('en'),
      cpu.toFixed(2),
      String(memory),
    ]);
  }
  return {
    title: 'Growth with peers and sidecars',
    text: `${(MESSAGES / 2).toLocaleString('en')} messages in all, each peer with a NATS of its own, everything on this machine.`,
    head: [
      'peers',
      'sidecars',
      'messages/s, all together',
      'CPU seconds per 10,000 messages',
      'memory MB, the largest',
    ],
    rows,
  };
}

async function quiet(): Promise<Section> {
  const { alone, beside } = await quietPeer(10, 2 * MESSAGES, MESSAGE_BYTES);
  return {
    title: 'A quiet peer beside busy ones',
    text: 'Latency of a peer with 50 messages a second, in milliseconds: p50 / p99 / p99.9.',
    head: ['', 'latency'],
    rows: [
      ['alone', percentiles(alone)],
      [`while 10 others have ${(2 * MESSAGES).toLocaleString('en')} messages waiting`, percentiles(beside)],
    ],
  };
}

async function write(): Promise<void> {
  const docs = join(import.meta.dirname, '..', '..', 'docs');
  await writeFile(
    join(docs, 'benchmarks.svg'),
    barChart(
      CHART_TITLE,
      sections.flatMap(({ bars = [] }) => bars),
    ),
  );
  const { stdout: revision } = await execute('git', ['rev-parse', '--short', 'HEAD']);
  const machine = `${cpus().length} processors (${cpus()[0]?.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GB of memory`;
  const run = `Machine: ${machine}. Node ${process.version}. Commit ${revision.trim()}, ${new Date().toISOString().slice(0, 10)}.`;
  await writeFile(join(docs, 'benchmarks.md'), benchmarksPage(sections, run));
}

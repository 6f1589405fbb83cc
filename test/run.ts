import { spawn } from 'node:child_process';
import { globSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { tellCount } from './tell-count.ts';

/**
 * Runs the tests. Each file runs in a mocha of its own, and several run at a time, because most of a test's time is waiting for a
 * server. The output of a file is printed in one piece when it has ended. The last lines are one for each failure, and the count.
 * They are printed, or written to the file that `LFH_SYNC_COUNT_FILE` names.
 *
 *   node test/run.ts [file …]
 */

const ROOT = join(import.meta.dirname, '..');
/** Two cores can run two files at a time that start a Kafka each. */
const JOBS = Number(process.env.LFH_SYNC_TEST_JOBS ?? Math.min(2, availableParallelism()));

interface Outcome {
  readonly failures: readonly string[];
  readonly passed: number;
  readonly failed: number;
}

const given = process.argv.slice(2);
const batches = given.length > 0 ? given.map((file) => [file]) : [filesOf('unit'), ...longestFirst()];
const directory = await mkdtemp(join(tmpdir(), 'lfh-sync-test-'));
/**
 * Tests start hundreds of processes that live for seconds. They share the code that Node has compiled, except with coverage, which
 * would be less precise (Node's documentation, `module.enableCompileCache`). Java's second compiler would not pay off in that time.
 */
const QUICK_STARTS = {
  ...(!process.env.NODE_V8_COVERAGE && { NODE_COMPILE_CACHE: join(directory, 'compiled') }),
  JDK_JAVA_OPTIONS: '-XX:TieredStopAtLevel=1',
};
const outcomes: Outcome[] = [];
const started = performance.now();
await Promise.all(Array.from({ length: JOBS }, (_, job) => work(job)));
await rm(directory, { recursive: true });
const failed = sum(({ failed: count }) => count);
process.stdout.write(`\nAll of it took ${seconds(started)} s.\n`);
tellCount(
  outcomes.flatMap(({ failures }) => failures),
  sum(({ passed }) => passed),
  failed,
);
process.exitCode = failed > 0 ? 1 : 0;

async function work(job: number): Promise<void> {
  for (let files = batches.shift(); files; files = batches.shift()) outcomes.push(await run(files, job));
}

async function run(files: readonly string[], job: number): Promise<Outcome> {
  const begun = performance.now();
  const countFile = join(directory, `count-${job}`);
  await rm(countFile, { force: true });
  const mocha = join(ROOT, 'node_modules', 'mocha', 'bin', 'mocha.js');
  const env = { ...process.env, ...QUICK_STARTS, LFH_SYNC_COUNT_FILE: countFile, LFH_SYNC_TEST_JOB: String(job) };
  const child = spawn(process.execPath, [mocha, ...files], { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const output: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => output.push(chunk));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  const [name = ''] = files;
  process.stdout.write(`\n== ${files.length > 1 ? `${files.length} files like ${name}` : name}: ${seconds(begun)} s\n`);
  process.stdout.write(Buffer.concat(output));
  return outcomeOf(countFile, name, code);
}

/** A file whose mocha ended before it had counted is a failure. */
function outcomeOf(countFile: string, name: string, code: number | null): Outcome {
  let counted: string[];
  try {
    counted = readFileSync(countFile, 'utf8').trimEnd().split('\n');
  } catch {
    return { failures: [`FAILED ${name}: mocha ended with ${code}, and had counted nothing`], passed: 0, failed: 1 };
  }
  const [, passed = 0, failures = 0] = /^(\d+) passed, (\d+) failed$/.exec(counted.at(-1) ?? '') ?? [];
  return { failures: counted.slice(0, -1), passed: Number(passed), failed: Number(failures) };
}

function filesOf(folder: string): string[] {
  return globSync(`test/${folder}/**/*.test.ts`, { cwd: ROOT }).sort();
}

/** Orders the files by size, which is close to their time. The run would wait for a long file that comes last. */
function longestFirst(): string[][] {
  const files = ['integration', 'chaos'].flatMap(filesOf);
  const sizes = new Map(files.map((file) => [file, statSync(join(ROOT, file)).size]));
  return files.sort((a, b) => (sizes.get(b) ?? 0) - (sizes.get(a) ?? 0)).map((file) => [file]);
}

function sum(of: (outcome: Outcome) => number): number {
  return outcomes.reduce((all, outcome) => all + of(outcome), 0);
}

function seconds(since: number): number {
  return Math.round((performance.now() - since) / 1000);
}

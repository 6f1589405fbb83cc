import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

/**
 * Runs one test file many times and counts, to show that a test which waits for time does not fail without a fault.
 * The output of each run that failed is kept. `--busy` keeps that many processor cores busy meanwhile.
 *
 *   node test/repeat.ts <file> <times> [--busy <cores>] [--grep <title>]
 */

const ROOT = join(import.meta.dirname, '..');
const USAGE = 'usage: npm run test:repeat -- <file> <times> [--busy <cores>] [--grep <title>]';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { busy: { type: 'string', default: '0' }, grep: { type: 'string' } },
});
const [file = '', count = ''] = positionals;
const times = Number(count);
if (file === '' || !(times > 0)) throw new Error(USAGE);

const directory = await mkdtemp(join(tmpdir(), 'lfh-sync-repeat-'));
const burners = Array.from({ length: Number(values.busy) }, () =>
  spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }),
);
let passed = 0;
const failures: string[] = [];
try {
  for (let run = 1; run <= times; run += 1) {
    const outcome = await runOnce(run);
    if (outcome === undefined) passed += 1;
    else failures.push(outcome);
    process.stdout.write(`run ${run} of ${times}: ${outcome ?? 'passed'}\n`);
  }
} finally {
  for (const burner of burners) burner.kill();
}
process.stdout.write(`${file}: ${passed} of ${times} runs passed\n`);
if (failures.length > 0) process.exitCode = 1;
else await rm(directory, { recursive: true });

/** @returns what failed, and where its output is; undefined when all passed */
async function runOnce(run: number): Promise<string | undefined> {
  const began = performance.now();
  const mocha = join(ROOT, 'node_modules', 'mocha', 'bin', 'mocha.js');
  const countFile = join(directory, `count-${run}`);
  const grep = values.grep === undefined ? [] : ['--grep', values.grep];
  const child = spawn(process.execPath, [mocha, ...grep, file], {
    cwd: ROOT,
    env: { ...process.env, LFH_SYNC_COUNT_FILE: countFile },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => output.push(chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code === 0) return undefined;
  const log = join(directory, `run-${run}.log`);
  await writeFile(log, Buffer.concat(output));
  const counted = await readFile(countFile, 'utf8').catch(() => `mocha ended with ${code} before it counted`);
  const seconds = Math.round((performance.now() - began) / 1000);
  return `failed after ${seconds} s, see ${log}\n${counted.trimEnd()}`;
}

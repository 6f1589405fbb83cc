import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServerProcess, soonerThan, until } from '../../kit/processes/process.ts';
import { processStatus } from '../../kit/processes/process-status.ts';

const PROCESS = join(import.meta.dirname, '..', '..', 'kit', 'processes', 'process.ts');
const CACHE = join(import.meta.dirname, '..', '..', '..', 'image', 'cache.ts');

/** Runs a program in a Node of its own. */
function inAnotherProcess(program: string, env: NodeJS.ProcessEnv = {}): ChildProcess {
  return spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
}

describe('a process that is started for a test', () => {
  let directory: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lfh-sync-process-'));
  });
  after(() => rm(directory, { recursive: true }));

  it('is ended by the kernel when the test is killed', async () => {
    const parent = inAnotherProcess(`
      import { ServerProcess } from ${JSON.stringify(PROCESS)};
      const child = new ServerProcess('sleeper', ['sleep', '600'], ${JSON.stringify(join(directory, 'sleeper.log'))});
      console.log(child.pid);
      setInterval(() => undefined, 1_000);
    `);
    const pid = Number(String((await once(parent.stdout as NodeJS.EventEmitter, 'data'))[0]));
    await until('the child runs', () => /^Name:\s+sleep/m.test(processStatus(pid)));
    parent.kill('SIGKILL');
    await until('the child ended', () => !/^State:\s+[^ZX]/m.test(processStatus(pid)));
  });

  it('is killed when it does not end by itself', async () => {
    const deaf = new ServerProcess(
      'deaf',
      [process.execPath, '-e', "process.on('SIGTERM', () => undefined); console.log('up'); setInterval(() => 0, 1000)"],
      join(directory, 'deaf.log'),
    );
    await deaf.ready(() => deaf.tail().includes('up'), 30_000);
    await deaf.stop(200);
    assert.equal(deaf.running, false);
    assert.equal(await deaf.exited(), null);
  });

  it('reports its exit code and the end of its log when it ends instead of starting', async () => {
    const script = "console.error('no such thing'); process.exit(3)";
    const failing = new ServerProcess('failing', [process.execPath, '-e', script], join(directory, 'failing.log'));
    await assert.rejects(
      failing.ready(() => false, 10_000),
      /failing ended instead of starting; it said:\nno such thing/,
    );
    assert.equal(await failing.exited(), 3);
  });
});

describe('soonerThan', () => {
  it('returns what the work returns when that is sooner than the timer', async () => {
    assert.equal(await soonerThan(60_000, 'it is there', Promise.resolve('result')), 'result');
  });

  it('throws what the work throws', async () => {
    await assert.rejects(soonerThan(60_000, 'it is there', Promise.reject(new Error('broken'))), /^Error: broken$/);
  });

  it('throws when the timer ends first, and says what was waited for', async () => {
    const never = new Promise<void>(() => undefined);
    await assert.rejects(soonerThan(20, 'it is there', never), /not sooner than in 0\.02 s: it is there/);
  });
});

describe('the cache of built programs', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lfh-sync-cache-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  /** A process that builds `thing`: it notes that it began, and goes on when a file called `go` is there. */
  function builder(): ChildProcess {
    return inAnotherProcess(
      `
      import { appendFile, writeFile } from 'node:fs/promises';
      import { existsSync } from 'node:fs';
      import { cached } from ${JSON.stringify(CACHE)};
      import { until } from ${JSON.stringify(PROCESS)};
      const root = process.env.LFH_SYNC_CACHE;
      console.log(await cached('thing', 'a thing, about 1 s', async (into) => {
        await appendFile(root + '/began', 'x');
        await writeFile(into + '/half', '');
        await until('go', () => existsSync(root + '/go'), 60_000);
        await writeFile(into + '/whole', '');
      }));
      `,
      { LFH_SYNC_CACHE: directory },
    );
  }

  const began = (): Promise<string> => readFile(join(directory, 'began'), 'utf8').catch(() => '');

  it('builds a program once when two processes want it at the same time', async () => {
    const both = [builder(), builder()];
    const said = ['', ''];
    for (const [index, child] of both.entries()) child.stderr?.on('data', (text) => void (said[index] += String(text)));
    const ended = both.map((child) => once(child, 'exit'));
    await until('one waits for the other', () => said.some((text) => /waiting for another process/.test(text)));
    await appendFile(join(directory, 'go'), '');
    assert.deepEqual(
      (await Promise.all(ended)).map(([code]) => code),
      [0, 0],
    );
    assert.equal(await began(), 'x');
    assert.equal(said.join('').split('building a thing, about 1 s').length - 1, 1);
    assert.deepEqual((await readdir(directory)).sort(), ['began', 'go', 'thing']);
  });

  it('builds a program again from nothing, without waiting, after a build that was killed', async () => {
    const killed = builder();
    await until('it builds', async () => (await began()) === 'x');
    killed.kill('SIGKILL');
    await once(killed, 'exit');
    await appendFile(join(directory, 'go'), '');
    const heir = builder();
    let said = '';
    heir.stderr?.on('data', (text) => void (said += String(text)));
    assert.deepEqual((await once(heir, 'exit'))[0], 0);
    assert.doesNotMatch(said, /waiting/);
    assert.deepEqual((await readdir(directory)).sort(), ['began', 'go', 'thing']);
    assert.deepEqual((await readdir(join(directory, 'thing'))).sort(), ['half', 'whole']);
  });
});

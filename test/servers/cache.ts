import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

/** Where what is built for tests, demo and benches is kept: outside the tree, so that a fresh clone need not build it. */

export const execute = promisify(execFile);

const ROOT = process.env.LFH_SYNC_CACHE ?? join(homedir(), '.cache', 'lfh-sync');
const LOCK_POLL_MS = 250;

/**
 * Finds a directory in the cache, or makes it.
 *
 * Built beside its place and then renamed into it, so that a build that was cut off leaves nothing that looks whole. Two
 * processes that want the same do not build it twice: one waits for the other's lock.
 *
 * @param name of the directory, with everything in it that makes one build differ from another
 * @param about what is being built and about how long it takes, told on stderr when it has to be
 * @returns the directory's path
 */
export async function cached(name: string, about: string, build: (into: string) => Promise<void>): Promise<string> {
  const place = join(ROOT, name);
  if (await exists(place)) return place;
  await mkdir(ROOT, { recursive: true });
  const release = await lock(`${place}.lock`);
  try {
    if (await exists(place)) return place;
    const started = Date.now();
    process.stderr.write(`building ${about} (once; kept in ${ROOT}) ...\n`);
    const workshop = await mkdtemp(`${place}.building-`);
    try {
      await build(workshop);
      await rename(workshop, place);
    } finally {
      await rm(workshop, { recursive: true, force: true });
    }
    process.stderr.write(`built ${name} in ${Math.round((Date.now() - started) / 1000)} s\n`);
    return place;
  } finally {
    await release();
  }
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function lock(path: string): Promise<() => Promise<void>> {
  for (;;) {
    try {
      await writeFile(path, String(process.pid), { flag: 'wx' });
      return () => rm(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      await breakIfStale(path);
      await sleep(LOCK_POLL_MS);
    }
  }
}

/** A lock whose owner is gone was left by a build that was killed. */
async function breakIfStale(path: string): Promise<void> {
  const owner = Number(await readFile(path, 'utf8').catch(() => ''));
  if (!owner) return;
  try {
    process.kill(owner, 0);
  } catch {
    await rm(path, { force: true });
  }
}

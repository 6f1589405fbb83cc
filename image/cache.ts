import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { messageOf } from '../common/errors.ts';

/** Where what is built for tests, demo and benches is kept: outside the tree, so that a fresh clone need not build it. */

export const execute = promisify(execFile);

const ROOT = process.env.LFH_SYNC_CACHE ?? join(homedir(), '.cache', 'lfh-sync');
const LOCK_POLL_MS = 250;

/**
 * Finds a directory in the cache, or makes it.
 *
 * Built beside its place and then renamed into it, so that a build that was cut off leaves nothing that looks whole. Two
 * processes that want the same do not build it twice: one waits for the other.
 *
 * @param name of the directory, with everything in it that makes one build differ from another
 * @param about what is being built and about how long it takes: this is printed on stderr when it has to be built
 * @returns the directory's path
 * @throws what the build throws, with what it needs on this machine
 */
export async function cached(name: string, about: string, build: (into: string) => Promise<void>): Promise<string> {
  const place = join(ROOT, name);
  if (await exists(place)) return place;
  await mkdir(ROOT, { recursive: true });
  const release = await lock(place, about);
  try {
    if (await exists(place)) return place;
    const started = Date.now();
    process.stderr.write(`building ${about} (once; kept in ${ROOT}) ...\n`);
    const workshop = `${place}.building`;
    // What a build left that was killed.
    await rm(workshop, { recursive: true, force: true });
    await mkdir(workshop);
    await build(workshop);
    await rename(workshop, place);
    process.stderr.write(`built ${name} in ${Math.round((Date.now() - started) / 1000)} s\n`);
    return place;
  } catch (error) {
    throw new Error(`${about}: not built; that takes Go, a JDK, Maven and their registries: ${messageOf(error)}`, {
      cause: error,
    });
  } finally {
    release();
  }
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/**
 * Keeps everybody else from building the same. An abstract socket, because the kernel takes it back when its owner ends,
 * however that happens: a file would stay behind, and its process id may by then be somebody else's.
 */
async function lock(place: string, about: string): Promise<() => void> {
  // Nowhere else are there such sockets. Two builds at once are a waste there, and the later one fails.
  if (process.platform !== 'linux') return () => undefined;
  const name = `\0lfh-sync-${createHash('sha256').update(place).digest('hex')}`;
  for (let told = false; ; told = true) {
    const socket = createServer();
    try {
      socket.listen(name);
      await once(socket, 'listening');
      return () => void socket.close();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      if (!told) process.stderr.write(`waiting for another process that builds ${about} ...\n`);
      await sleep(LOCK_POLL_MS);
    }
  }
}

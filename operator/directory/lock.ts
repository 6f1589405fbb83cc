import { readFile, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { DatabaseSync } from 'node:sqlite';
import { InvalidInputError } from '../../common/errors.ts';
import type { Layout } from './layout.ts';

/**
 * One process for each directory: two would each make a key, and write over the other. The lock is the one that SQLite takes of a file,
 * because it is the operating system's (fcntl) and ends with its process, whatever kills it, and because it also holds between two
 * containers that have the same volume. A file with a process id in it would stay behind, and its number may by then be somebody else's.
 *
 * @returns what gives it back
 * @throws InvalidInputError where another process has it, with what is known of that one
 */
export async function lockDirectory(layout: Layout): Promise<() => Promise<void>> {
  const database = new DatabaseSync(layout.lock, { timeout: 0 });
  try {
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (!/locked/.test(String(error))) throw error;
    const holder = await readFile(layout.holder, 'utf8').catch(() => 'of which nothing is known');
    throw new InvalidInputError(
      `another lfh-sync works on ${layout.input} (${holder.trim()}). Stop that one first: two of them would write over each other`,
    );
  }
  await writeFile(layout.holder, `process ${process.pid} on ${hostname()}, since ${new Date().toISOString()}\n`);
  return async () => {
    await rm(layout.holder, { force: true });
    database.close();
  };
}

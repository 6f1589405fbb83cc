import { readFile } from 'node:fs/promises';
import { MissingReferenceError } from '../../common/errors.ts';

/** How often a mounted directory may be replaced while a file of it is read. */
export const MOST_READS = 5;

/**
 * Reads a file that a setting names. One that is not there is looked for again at once: the kubelet turns the link `..data` to a new
 * directory and removes the one before it, which may be the one in which the file is just being opened.
 *
 * @throws MissingReferenceError with the setting and the path, for any error
 */
export async function readReferenced(setting: string, path: string): Promise<string> {
  for (let read = 1; ; read += 1) {
    try {
      return await readFile(path, 'utf8');
    } catch (cause) {
      if (read < MOST_READS && (cause as NodeJS.ErrnoException).code === 'ENOENT') continue;
      throw new MissingReferenceError(`${setting}: cannot read the file ${path}`, { cause });
    }
  }
}

/** As {@link readReferenced}, but returns undefined when there is no such file. */
export async function readIfThere(setting: string, path: string): Promise<string | undefined> {
  try {
    return await readReferenced(setting, path);
  } catch (error) {
    const { cause } = error as MissingReferenceError;
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

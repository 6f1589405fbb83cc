import { readFile } from 'node:fs/promises';
import { MissingReferenceError } from '../../common/errors.ts';

/** Reads a file that a setting names. @throws MissingReferenceError with the setting and the path, for any error */
export async function readReferenced(setting: string, path: string): Promise<string> {
  return readFile(path, 'utf8').catch((cause: unknown) => {
    throw new MissingReferenceError(`${setting}: cannot read the file ${path}`, { cause });
  });
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

import { open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { dump, load } from 'js-yaml';
import { InvalidInputError, messageOf } from '../../common/errors.ts';
import type { KubeObject } from '../api/objects.ts';
import { NAMESPACE } from './layout.ts';

/**
 * Keeps every object that is in force as a file of its own, so that it is known after a restart: a key, above all, and the status that
 * says that there was one. Secrets are among them, so that nobody but the owner may read the files.
 */
export interface Store {
  /** @throws where it cannot be written, which leaves what was there */
  write(object: KubeObject): Promise<void>;
  remove(object: KubeObject): Promise<void>;
}

/** Changes nothing: for a dry run. */
export const NO_STORE: Store = { write: () => Promise.resolve(), remove: () => Promise.resolve() };

export function fileStore(directory: string): Store {
  const pathOf = (object: KubeObject): string => join(directory, fileNameOf(object));
  return {
    write: async (object) => {
      const path = pathOf(object);
      const { resourceVersion: _version, namespace: _namespace, ...metadata } = object.metadata;
      const text = dump({ ...object, metadata }, { lineWidth: -1 });
      const file = await open(`${path}.new`, 'w', 0o600);
      try {
        await file.writeFile(text);
        // A key that is lost with the power is lost for good.
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(`${path}.new`, path);
    },
    remove: (object) => rm(pathOf(object), { force: true }),
  };
}

/**
 * Reads what a {@link fileStore} has kept.
 *
 * @returns nothing where there is no such directory
 * @throws InvalidInputError for a file that cannot be read: to go on without it could make a new key
 */
export async function readStore(directory: string): Promise<KubeObject[]> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return Promise.all(
    names.filter((name) => name.endsWith('.yaml')).map(async (name) => readObject(join(directory, name))),
  );
}

function fileNameOf({ kind, metadata }: KubeObject): string {
  return `${kind}.${metadata.name}.yaml`;
}

async function readObject(path: string): Promise<KubeObject> {
  try {
    const object = load(await readFile(path, 'utf8')) as KubeObject;
    if (basename(path) !== fileNameOf(object))
      throw new InvalidInputError('it holds another object than its name says');
    return { ...object, metadata: { ...object.metadata, namespace: NAMESPACE } };
  } catch (error) {
    const problem = error instanceof Error && error.name === 'YAMLException' ? 'it is not YAML' : messageOf(error);
    throw new InvalidInputError(`${path} cannot be read: ${problem}. Put it back from a backup`);
  }
}

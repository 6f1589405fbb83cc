import { readdir, readFile, realpath } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { isPublished } from '../../common/contract/nkeys.ts';
import { SETTINGS, type Settings } from '../../common/contract/settings.ts';
import { settingsDigest } from '../../common/contract/settings-digest.ts';
import { isAuthentic, PREVIOUS_SEED_FILE, SEED_FILE, SETTINGS_MAC } from '../../common/contract/settings-mac.ts';
import { InvalidInputError, MissingReferenceError } from '../../common/errors.ts';
import { loadKeys, type NodeKeys } from './node-keys.ts';
import { MOST_READS, readReferenced } from './referenced-file.ts';

/** Where the texts of settings come from, and those of the files that they name. */
export interface Source {
  /** Of all settings as the operator has written them; null where they are a person's. */
  readonly digest: string | null;
  /** The text of a setting's file, without its line end; undefined where there is none. */
  readonly setting: (name: string) => string | undefined;
  readonly keys: (settings: Settings) => Promise<NodeKeys>;
  /** @throws MissingReferenceError with the setting, for a file that cannot be read */
  readonly certificates: (setting: string, file: string) => Promise<string>;
  /**
   * A password or a token, without its line end. It is sent to somebody, so no path may lead to a seed, by whatever name or link.
   *
   * @throws as {@link certificates} does; InvalidInputError where the file holds a seed, without a character of it
   */
  readonly secret: (setting: string, file: string) => Promise<string>;
}

/**
 * The settings of a person: files of a directory, which may name any others.
 *
 * @param directory undefined: there are no files of settings, and names of others are relative to where the process runs
 */
export async function filesOf(directory: string | undefined): Promise<Source> {
  const files = directory === undefined ? new Map<string, string>() : await readSettings(directory);
  const resolve = (file: string): string => (isAbsolute(file) ? file : join(directory ?? '.', file));
  const read = (setting: string, file: string): Promise<string> => readReferenced(setting, resolve(file));
  return {
    digest: null,
    setting: (name) => files.get(name),
    keys: ({ natsKeyFile, previousNatsKeyFile: previous }) =>
      loadKeys(resolve(natsKeyFile), previous === undefined ? undefined : resolve(previous)),
    certificates: read,
    secret: async (setting, file) => withoutSeed(await read(setting, file), setting, file),
  };
}

/**
 * The settings of an operator: those of the mounted ConfigMaps, and only if the operator has written all of them. Who may write ConfigMaps
 * could otherwise have the seed sent to a Kafka of theirs, or anybody's messages written into ours (ADR 25).
 *
 * So the settings say nothing about where the keys are, a CA is an entry of the same ConfigMaps, and a password or token is a file in
 * `secrets`.
 *
 * @param secrets a directory into which no ConfigMap is mounted
 * @throws InvalidInputError where somebody else has written the settings; MissingReferenceError where there is no key
 */
export async function filesOfOperator(directory: string, secrets: string): Promise<Source> {
  const keys = await loadKeys(join(secrets, SEED_FILE), join(secrets, PREVIOUS_SEED_FILE));
  const entries = await readMounted(directory);
  if (!isAuthentic(entries, secretSeeds(keys))) {
    const what = entries[SETTINGS_MAC] === undefined ? 'is missing' : 'does not fit the other settings';
    throw new InvalidInputError(
      `${SETTINGS_MAC}: ${what}, so this node's operator has not written them: somebody else has changed their ConfigMap, ` +
        'or one of several is older than the others. The operator restores it within seconds: is it running?',
    );
  }
  return {
    digest: settingsDigest(entries[SETTINGS_MAC] ?? ''),
    setting: (name) => entries[name]?.replace(/\r?\n$/, ''),
    keys: () => Promise.resolve(keys),
    certificates: async (setting, file) => {
      const text = entries[file];
      if (text === undefined)
        throw new MissingReferenceError(`${setting}: there is no entry ${file} beside the settings`);
      return text;
    },
    secret: async (setting, file) => {
      if (file.includes('/')) throw new InvalidInputError(`${setting}: expected the name of a file in ${secrets}`);
      return withoutSeed(await readReferenced(setting, join(secrets, file)), setting, file);
    },
  };
}

/** The seed of any NKey. */
const SEED = /S[ACNOUX][A-Z2-7]{56}/;

function withoutSeed(text: string, setting: string, file: string): string {
  if (!SEED.test(text)) return text.replace(/\r?\n$/, '');
  throw new InvalidInputError(
    `${setting}: the file ${file} holds the seed of an NKey, which must never be sent to anybody`,
  );
}

/** The seeds that nobody but this node has. */
function secretSeeds({ seed, previousSeed, publicKeys: [publicKey, previousKey] }: NodeKeys): Uint8Array[] {
  const all = [
    { seed, publicKey },
    { seed: previousSeed, publicKey: previousKey },
  ];
  return all.flatMap((each) =>
    each.seed && each.publicKey !== undefined && !isPublished(each.publicKey) ? [each.seed] : [],
  );
}

/**
 * The entries of the mounted ConfigMaps, all from one version of the volume. One ConfigMap in it may be older than another, which
 * {@link SETTINGS_MAC} shows. The kubelet turns the link `..data` to a new directory, and then removes the one before it, which may
 * be the one that is being read.
 */
async function readMounted(directory: string): Promise<Readonly<Record<string, string>>> {
  for (let read = 1; ; read += 1) {
    try {
      const version = await realpath(join(directory, '..data'));
      const found = (await readdir(version, { withFileTypes: true })).filter((entry) => entry.isFile());
      const texts = found.map(async ({ name }) => [name, await readFile(join(version, name), 'utf8')] as const);
      return Object.fromEntries(await Promise.all(texts));
    } catch (cause) {
      if (read < MOST_READS && (cause as NodeJS.ErrnoException).code === 'ENOENT') continue;
      throw new MissingReferenceError(`LFH_SYNC_SETTINGS_DIR: cannot read what is mounted at ${directory}`, { cause });
    }
  }
}

const SETTING_NAMES = Object.values(SETTINGS).map(({ name }) => name);

async function readSettings(directory: string): Promise<Map<string, string>> {
  const present = await readdir(directory).catch((cause: unknown) => {
    throw new MissingReferenceError(`LFH_SYNC_SETTINGS_DIR: cannot read the directory ${directory}`, { cause });
  });
  const names = SETTING_NAMES.filter((name) => present.includes(name));
  const entries = names.map(async (name): Promise<[string, string]> => {
    const content = await readReferenced('LFH_SYNC_SETTINGS_DIR', join(directory, name));
    return [name, content.replace(/\r?\n$/, '')];
  });
  return new Map(await Promise.all(entries));
}

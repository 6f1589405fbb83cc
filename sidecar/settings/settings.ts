import { readdir } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { sleep } from '../../common/backoff.ts';
import { type LoadedFhirServer, serversOfConnect } from '../../common/contract/fhir-servers.ts';
import type { LoadedPeer, PeerSettings } from '../../common/contract/peers.ts';
import { decodeSettings, SETTINGS, type Settings, settingText } from '../../common/contract/settings.ts';
import { MissingReferenceError, messageOf } from '../../common/errors.ts';
import { requireCertificates } from '../../common/pem.ts';
import { loadFhirServer } from './fhir-server.ts';
import { loadKeys, type NodeKeys } from './node-keys.ts';
import { readReferenced } from './referenced-file.ts';

/** The settings, with the content of the files that they name. */
export interface LoadedSettings extends Omit<Settings, 'peers' | 'fhirServers'>, NodeKeys {
  readonly peers: readonly LoadedPeer[];
  /** Of our own setting, or where it is absent of connect's. */
  readonly fhirServers: readonly LoadedFhirServer[];
  readonly localCa?: string;
  readonly kafkaCa?: string;
  readonly kafkaPassword?: string;
}

const SETTING_NAMES = Object.values(SETTINGS).map(({ name }) => name);
const POLL_MS = 1000;

/**
 * Loads the settings from the process environment and from the files of the directory LFH_SYNC_SETTINGS_DIR. The files count
 * first; there is one per setting, so that a ConfigMap can be mounted as it is. Names in the environment are taken in upper
 * or lower case, as connect does.
 *
 * A peer whose own files are wrong has a `problem`, and the other peers are not affected.
 *
 * @throws InvalidInputError for a value that does not parse; MissingReferenceError for a file that does not exist
 */
export async function loadSettings(env: NodeJS.ProcessEnv): Promise<LoadedSettings> {
  const directory = env.LFH_SYNC_SETTINGS_DIR;
  const files = directory === undefined ? new Map<string, string>() : await readSettings(directory);
  const environment = new Map(Object.entries(env).map(([name, value]) => [name.toUpperCase(), value]));
  const settings = decodeSettings((name) => files.get(name) ?? environment.get(name));
  const resolve = (file: string): string => (isAbsolute(file) ? file : join(directory ?? '.', file));
  const referenced = async (name: string, file: string | undefined): Promise<string | undefined> =>
    file === undefined ? undefined : readReferenced(name, resolve(file));

  const localCa = await referenced(settingText('caFile'), settings.caFile);
  const kafkaCa = await referenced(settingText('kafkaCaFile'), settings.kafkaCaFile);
  const kafkaPassword = await referenced(settingText('kafkaSaslPasswordFile'), settings.kafkaSaslPasswordFile);
  const { natsKeyFile, previousNatsKeyFile: previous } = settings;
  const keys = await loadKeys(resolve(natsKeyFile), previous === undefined ? undefined : resolve(previous));
  return {
    ...settings,
    ...keys,
    fhirServers: settings.fhirServers
      ? await Promise.all(settings.fhirServers.map((server) => loadFhirServer(server, resolve)))
      : serversOfConnect(settings.externalFhirServers, settings.generateFhirServerUrl),
    peers: await Promise.all(settings.peers.map((peer) => loadPeer(peer, resolve))),
    ...(localCa !== undefined && { localCa: requireCertificates(localCa, settingText('caFile')) }),
    ...(kafkaCa !== undefined && { kafkaCa: requireCertificates(kafkaCa, settingText('kafkaCaFile')) }),
    ...(kafkaPassword !== undefined && { kafkaPassword: kafkaPassword.replace(/\r?\n$/, '') }),
  };
}

export interface SettingsWatch {
  /** The settings changed and are good. `restartNeeded` names those that changed and take effect only at the next start. */
  readonly onChange: (settings: LoadedSettings, restartNeeded: readonly string[]) => void;
  /** What is there now does not parse, so the last good settings stay in force. Called once for each different problem. */
  readonly onProblem: (message: string) => void;
}

/**
 * Looks at the settings about once a second until `signal`, and reports changes to `watch`.
 *
 * Polling sees what notifications of the file system miss: the swapped symbolic links of a mounted ConfigMap, and
 * files that a setting only refers to. It costs a few small reads.
 */
export async function watchSettings(
  env: NodeJS.ProcessEnv,
  started: LoadedSettings,
  watch: SettingsWatch,
  signal: AbortSignal,
): Promise<void> {
  let seen = fingerprint(started);
  let problem = '';
  for (;;) {
    await sleep(POLL_MS, signal);
    if (signal.aborted) return;
    try {
      const settings = await loadSettings(env);
      const now = fingerprint(settings);
      if (now === seen && problem === '') continue;
      seen = now;
      problem = '';
      watch.onChange(keepUnreloadable(settings, started), changedUnreloadable(settings, started));
    } catch (error) {
      const message = messageOf(error);
      if (message !== problem) watch.onProblem(message);
      problem = message;
    }
  }
}

/** Settings that cannot be reloaded keep the values that they had at the start. */
function keepUnreloadable(settings: LoadedSettings, started: LoadedSettings): LoadedSettings {
  const kept = Object.entries(SETTINGS).flatMap(([key, { reloadable }]) =>
    reloadable ? [] : [[key, started[key as keyof Settings]]],
  );
  return { ...settings, ...(Object.fromEntries(kept) as Partial<LoadedSettings>) };
}

/** A file that is renewed keeps its name, but its content was read at the start, like its name. */
const CONTENTS: Readonly<Record<string, keyof LoadedSettings>> = {
  kafkaCaFile: 'kafkaCa',
  kafkaSaslPasswordFile: 'kafkaPassword',
} satisfies Partial<Record<keyof Settings, keyof LoadedSettings>>;

function changedUnreloadable(settings: LoadedSettings, started: LoadedSettings): string[] {
  return Object.entries(SETTINGS).flatMap(([key, { reloadable }]) => {
    const fields = [key, CONTENTS[key] ?? key] as (keyof LoadedSettings)[];
    const same = fields.every((field) => JSON.stringify(settings[field]) === JSON.stringify(started[field]));
    return reloadable || same ? [] : [settingText(key as keyof Settings)];
  });
}

function fingerprint(settings: LoadedSettings): string {
  // The public keys stand for the seeds.
  return JSON.stringify({ ...settings, seed: undefined, previousSeed: undefined });
}

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

async function loadPeer(peer: PeerSettings, resolve: (file: string) => string): Promise<LoadedPeer> {
  if (peer.caFile === undefined) return peer;
  try {
    const name = `the CA of ${peer.name}`;
    return { ...peer, ca: requireCertificates(await readReferenced(name, resolve(peer.caFile)), name) };
  } catch (error) {
    return { ...peer, problem: messageOf(error) };
  }
}

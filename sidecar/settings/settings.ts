import { sleep } from '../../common/backoff.ts';
import { type LoadedFhirServer, serversOfConnect } from '../../common/contract/fhir-servers.ts';
import { type LoadedPeer, type PeerSettings, peerEntries } from '../../common/contract/peers.ts';
import { decodeSettings, SETTINGS, type Settings, settingText } from '../../common/contract/settings.ts';
import { peerDigest } from '../../common/contract/settings-digest.ts';
import { SECRETS_DIR } from '../../common/contract/settings-mac.ts';
import { messageOf } from '../../common/errors.ts';
import { requireCertificates } from '../../common/pem.ts';
import { loadFhirServer } from './fhir-server.ts';
import type { NodeKeys } from './node-keys.ts';
import { filesOf, filesOfOperator, type Source } from './sources.ts';

/** The settings, with the content of the files that they name. */
export interface LoadedSettings extends Omit<Settings, 'peers' | 'fhirServers'>, NodeKeys {
  readonly peers: readonly LoadedPeer[];
  /** Of our own setting, or where it is absent of connect's. */
  readonly fhirServers: readonly LoadedFhirServer[];
  readonly localCa?: string;
  readonly kafkaCa?: string;
  readonly kafkaPassword?: string;
  /** Which settings of the operator these are; null where a person has written them. */
  readonly digest: string | null;
}

const POLL_MS = 1000;

/**
 * Loads the settings from the process environment and from the files of the directory LFH_SYNC_SETTINGS_DIR. The files count
 * first; there is one per setting, so that a ConfigMap can be mounted as it is. Names in the environment are taken in upper
 * or lower case, as connect does.
 *
 * Where LFH_SYNC_SECRETS_DIR is set, the files count only if the operator has written them; see {@link filesOfOperator}.
 *
 * A peer whose own files are wrong has a `problem`, and the other peers are not affected.
 *
 * @throws InvalidInputError for a value that does not parse, or that the operator has not written; MissingReferenceError for a file
 *   that does not exist
 */
export async function loadSettings(env: NodeJS.ProcessEnv): Promise<LoadedSettings> {
  const { LFH_SYNC_SETTINGS_DIR: directory, [SECRETS_DIR]: secrets } = env;
  const source = await (secrets === undefined ? filesOf(directory) : filesOfOperator(directory ?? '.', secrets));
  const environment = new Map(Object.entries(env).map(([name, value]) => [name.toUpperCase(), value]));
  const textOf = (name: string): string | undefined => source.setting(name) ?? environment.get(name);
  const settings = decodeSettings(textOf);
  const entries = peerEntries(textOf(SETTINGS.peers.name) ?? '[]');
  const { caFile, kafkaCaFile, kafkaSaslPasswordFile } = settings;
  const localCa = caFile && (await source.certificates(settingText('caFile'), caFile));
  const kafkaCa = kafkaCaFile && (await source.certificates(settingText('kafkaCaFile'), kafkaCaFile));
  const kafkaPassword =
    kafkaSaslPasswordFile && (await source.secret(settingText('kafkaSaslPasswordFile'), kafkaSaslPasswordFile));
  return {
    ...settings,
    ...(await source.keys(settings)),
    fhirServers: settings.fhirServers
      ? await Promise.all(settings.fhirServers.map((server) => loadFhirServer(server, source)))
      : serversOfConnect(settings.externalFhirServers, settings.generateFhirServerUrl),
    peers: await Promise.all(settings.peers.map((peer, index) => loadPeer(peer, entries[index] ?? '', source))),
    digest: source.digest,
    ...(localCa !== undefined && { localCa: requireCertificates(localCa, settingText('caFile')) }),
    ...(kafkaCa !== undefined && { kafkaCa: requireCertificates(kafkaCa, settingText('kafkaCaFile')) }),
    ...(kafkaPassword !== undefined && { kafkaPassword }),
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

/**
 * Only what the operator has written has a digest: it compares that with what it plans, which a person's own settings never are.
 *
 * @param entry what was written for it
 */
async function loadPeer(peer: PeerSettings, entry: string, source: Source): Promise<LoadedPeer> {
  const digestOf = (ca?: string): Pick<LoadedPeer, 'digest'> =>
    source.digest === null ? {} : { digest: peerDigest(entry, ca) };
  if (peer.caFile === undefined) return { ...peer, ...digestOf() };
  try {
    const name = `the CA of ${peer.name}`;
    const ca = await source.certificates(name, peer.caFile);
    return { ...peer, ca: requireCertificates(ca, name), ...digestOf(ca) };
  } catch (error) {
    return { ...peer, problem: messageOf(error) };
  }
}

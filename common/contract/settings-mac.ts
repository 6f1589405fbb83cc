import { createHmac, timingSafeEqual } from 'node:crypto';
import { settingsKey } from './nkeys.ts';

/**
 * How an operator authenticates the settings that it writes for its sidecars. Who may write ConfigMaps must not be able to say
 * what a sidecar does: it has the node's seed, and writes to Kafka (ADR 25).
 */

/** The entry of the settings that authenticates all others. */
export const SETTINGS_MAC = 'LFH_SYNC_SETTINGS_MAC';

/**
 * The variable that names the directory of a sidecar's secrets. The operator sets it in the container that it injects, and nothing
 * that is mounted can change it. Where it is set, no settings count that {@link isAuthentic} does not accept.
 */
export const SECRETS_DIR = 'LFH_SYNC_SECRETS_DIR';

/** The files in that directory. The names of the keys are also those of the entries in their Secret; connect has the first one, too. */
export const SEED_FILE = 'nats-server.nk';
export const PREVIOUS_SEED_FILE = 'previous.nk';
export const KAFKA_PASSWORD_FILE = 'kafka-password';

/** Texts by the name of their entry in its ConfigMap, and of their file where it is mounted. */
type Entries = Readonly<Record<string, string>>;

/**
 * The text of {@link SETTINGS_MAC}: one HMAC-SHA256 for each seed, in hexadecimal. During a rotation there are two, since a ConfigMap and
 * a Secret do not reach a pod at the same time: whichever comes first, one of the sidecar's seeds fits.
 *
 * @param entries all of the ConfigMaps together, CAs included
 * @param seeds of the node, the one in force first; the same text each time
 */
export function settingsMac(entries: Entries, seeds: readonly (string | Uint8Array)[]): string {
  return seeds.map((seed) => macOf(entries, seed).toString('hex')).join(' ');
}

/**
 * Whether a holder of one of these seeds has written all of these entries.
 *
 * @param entries with {@link SETTINGS_MAC} among them
 */
export function isAuthentic(entries: Entries, seeds: readonly (string | Uint8Array)[]): boolean {
  const given = (entries[SETTINGS_MAC] ?? '').split(' ').slice(0, MOST_MACS);
  const expected = seeds.map((seed) => macOf(entries, seed));
  return given.some((text) => {
    const mac = Buffer.from(text, 'hex');
    return expected.some((each) => each.length === mac.length && timingSafeEqual(each, mac));
  });
}

/** A node has no more than two seeds. */
const MOST_MACS = 2;

function macOf(entries: Entries, seed: string | Uint8Array): Buffer {
  const covered = Object.entries(entries).filter(([name]) => name !== SETTINGS_MAC);
  const sorted = covered.sort(([a], [b]) => (a < b ? -1 : 1));
  // JSON separates names and texts, so that no two sets of entries give the same text.
  return createHmac('sha256', settingsKey(seed)).update(JSON.stringify(sorted), 'utf8').digest();
}

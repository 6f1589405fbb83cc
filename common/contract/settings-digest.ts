import { createHash } from 'node:crypto';

/**
 * How a sidecar says which settings it runs with, and tells nothing of them: the operator makes the same digest of what it has
 * written, and compares (ADR 37). Both are made of the text as it was written, so that it does not matter which defaults the version
 * of either program has.
 */

const LENGTH = 12;
const DIGEST = /^[0-9a-f]{12}$/;

export function isSettingsDigest(value: unknown): boolean {
  return typeof value === 'string' && DIGEST.test(value);
}

/**
 * The digest of what is written for one peer. Nothing in it is a secret.
 *
 * @param entry the peer's entry in LFH_SYNC_PEERS, in JSON
 * @param ca the text of the file with its CA; undefined where the entry names none
 */
export function peerDigest(entry: string, ca: string | undefined): string {
  return digestOf(JSON.stringify([entry, ca ?? null]));
}

/**
 * The digest of all settings together. It is made of what authenticates them, which nobody can make without the node's seed. So
 * nobody can find out by trying which setting has led to it.
 *
 * @param mac the text of the entry LFH_SYNC_SETTINGS_MAC
 */
export function settingsDigest(mac: string): string {
  return digestOf(mac);
}

function digestOf(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex').slice(0, LENGTH);
}

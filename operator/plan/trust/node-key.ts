import type { NodeObject, ObservedKey } from '../observed/observed.ts';
import { nodeSpec } from '../observed/spec.ts';

/** What becomes of a node's key in this turn. */
export type KeyStep =
  | {
      readonly step: 'use';
      readonly publicKeys: readonly string[];
      readonly reason: UsableKey;
      readonly message: string;
    }
  /** Make one; there never was any. */
  | { readonly step: 'create' }
  /** Make a new one, and keep the one there is as the previous. */
  | { readonly step: 'rotate' }
  /** The previous one has had its time. */
  | { readonly step: 'dropPrevious' }
  | {
      readonly step: 'stop';
      readonly reason: 'KeyLost' | 'PublishedKey' | 'InvalidKey' | 'MissingReference' | 'WriteRefused';
      readonly message: string;
    };

export type UsableKey = 'KeyMade' | 'KeyBrought' | 'Rotating';

const DEFAULT_OVERLAP_MS = 24 * 60 * 60 * 1000;
const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };

/**
 * Decides about a node's key. A key is made once and never replaced unasked: every peer would have to be told. So a key
 * that is gone although others know it is a person's to decide about: restore it, or raise `spec.key.rotation`.
 *
 * @param inUse peers that still accept only the previous key
 */
export function keyStep(
  node: NodeObject,
  key: ObservedKey | undefined,
  inUse: readonly string[],
  now: number,
): KeyStep {
  const brought = node.spec.key?.secretRef?.name;
  const wanted = nodeSpec(node).rotation;
  if (key === undefined) return absent(node, brought, wanted);
  const { current, previous, secret } = key;
  if (current.problem !== undefined) return stop('InvalidKey', `Secret ${secret}: ${current.problem}`);
  if (current.published) {
    const rotates = brought === undefined && wanted > key.rotation;
    return rotates ? { step: 'rotate' } : stop('PublishedKey', published(secret, brought !== undefined));
  }
  const use = (reason: UsableKey, message: string): KeyStep => ({
    step: 'use',
    publicKeys: publicKeysOf(key),
    reason,
    message,
  });
  if (brought !== undefined) return use('KeyBrought', `the key of the Secret ${secret}`);
  if (previous !== undefined)
    return overlapping(node, key, inUse, now) ?? use('Rotating', rotating(node, key, inUse, now));
  return wanted > key.rotation ? { step: 'rotate' } : use('KeyMade', `the key of the Secret ${secret}`);
}

/** The overlap is a minimum: the previous key stays while a peer accepts only that. */
function overlapping(node: NodeObject, key: ObservedKey, inUse: readonly string[], now: number): KeyStep | undefined {
  return now >= overlapEnd(node, key) && inUse.length === 0 ? { step: 'dropPrevious' } : undefined;
}

/** Over already where nobody knows when it began. */
function overlapEnd(node: NodeObject, { rotatedAt = '' }: ObservedKey): number {
  const began = Date.parse(rotatedAt);
  return Number.isNaN(began) ? 0 : began + overlapMs(node);
}

function stop(reason: (KeyStep & { step: 'stop' })['reason'], message: string): KeyStep {
  return { step: 'stop', reason, message };
}

/**
 * What becomes of a key that could not be written: one that is there goes on, and without one nothing can.
 *
 * @param problem in the words of the API server
 */
export function keyRefused(key: ObservedKey | undefined, problem: string): KeyStep {
  if (!key) return stop('WriteRefused', `the key cannot be made: ${problem}`);
  const message = `the key of the Secret ${key.secret}, which cannot be changed: ${problem}`;
  return { step: 'use', publicKeys: publicKeysOf(key), reason: key.previous ? 'Rotating' : 'KeyMade', message };
}

/** What its peers are told: the key in force first, and never one that anybody can sign in with. */
export function publicKeysOf({ current, previous }: ObservedKey): string[] {
  return [current, previous].flatMap((key) => (key?.publicKey === undefined || key.published ? [] : [key.publicKey]));
}

function absent(node: NodeObject, brought: string | undefined, wanted: number): KeyStep {
  if (brought !== undefined) {
    return stop('MissingReference', `spec.key.secretRef: there is no Secret ${brought} in this namespace`);
  }
  const known = node.status?.publicKeys?.[0];
  const rotated = wanted > (node.status?.rotation ?? 0);
  if (known === undefined || rotated) return { step: 'create' };
  return stop(
    'KeyLost',
    `the Secret ${node.metadata.name}-nkey with the seed of ${known} is gone, and peers know that key: restore it from a ` +
      'backup, or raise spec.key.rotation to have a new one made, and send the new invitation to every peer',
  );
}

/** `90s`, `30m`, `24h`; the CRD lets nothing else through. */
function overlapMs(node: NodeObject): number {
  const [, count, unit] = /^(\d+)([smh])$/.exec(node.spec.key?.overlap ?? '') ?? [];
  return count === undefined || unit === undefined ? DEFAULT_OVERLAP_MS : Number(count) * (UNITS[unit] ?? 0);
}

function published(secret: string, brought: boolean): string {
  const how = brought ? 'put a key of your own into it' : 'raise spec.key.rotation to have one made';
  return `the key in the Secret ${secret} is one that LinuxForHealth publishes with its seed, so that anybody can use it: ${how}`;
}

function rotating(node: NodeObject, key: ObservedKey, inUse: readonly string[], now: number): string {
  const end = overlapEnd(node, key);
  if (now < end) return `the previous key is accepted until ${new Date(end).toISOString()} at least`;
  return `these peers accept only the previous key still, and need the new invitation: ${inUse.join(', ')}`;
}

import type { NodeObject, ObservedKey } from '../observed/observed.ts';
import { nodeSpec } from '../observed/spec.ts';

/** What a reconcile does with a node's key. */
export type KeyStep =
  | {
      readonly step: 'use';
      readonly publicKeys: readonly string[];
      readonly reason: UsableKey;
      readonly message: string;
    }
  /** Make a key, in a Secret that is missing or empty; the node never had one. */
  | { readonly step: 'create' }
  /** Make a new key, and keep the one in force as the previous one. */
  | { readonly step: 'rotate' }
  /** Remove the previous key: its overlap is over, and no peer needs it or `spec.key.overlapMax` is over as well. */
  | { readonly step: 'dropPrevious' }
  | {
      readonly step: 'stop';
      readonly reason:
        | 'SecretMissing'
        | 'KeyLost'
        | 'PublishedKey'
        | 'InvalidKey'
        | 'MissingReference'
        | 'WriteRefused';
      readonly message: string;
    };

export type UsableKey = 'KeyMade' | 'KeyBrought' | 'Rotating';

/** Names of the peers that may need the previous key. */
export interface PreviousKeyUsers {
  /** Those that were seen to accept only that. */
  readonly inUse: readonly string[];
  /** Those of which it is not known, and not for long. */
  readonly unseen: readonly string[];
}

const DEFAULT_OVERLAP_MS = 24 * 60 * 60 * 1000;
const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };

/**
 * Decides about a node's key. A key is made once and never replaced without being asked for, since every peer needs the new one.
 * So if a key is gone that peers know, a person decides: restore it, or raise `spec.key.rotation`.
 *
 * @param key undefined where there is no Secret for it, or an empty one for the operator to fill
 * @param users of the previous key
 * @param now in milliseconds since 1970
 */
export function keyStep(node: NodeObject, key: ObservedKey | undefined, users: PreviousKeyUsers, now: number): KeyStep {
  const brought = node.spec.key?.secretRef?.name;
  const { rotation } = nodeSpec(node);
  if (key === undefined) return missingKey(node, brought, rotation);
  const { current, previous, secret } = key;
  if (current.problem !== undefined) return stop('InvalidKey', `Secret ${secret}: ${current.problem}`);
  if (current.published) {
    const rotates = brought === undefined && rotation > key.rotation;
    return rotates ? { step: 'rotate' } : stop('PublishedKey', publishedMessage(secret, brought !== undefined));
  }
  const use = (reason: UsableKey, message: string): KeyStep => ({
    step: 'use',
    publicKeys: publicKeysOf(key),
    reason,
    message,
  });
  if (brought !== undefined) return use('KeyBrought', `the key of the Secret ${secret}`);
  if (previous !== undefined)
    return overlapping(node, key, users, now) ?? use('Rotating', rotatingMessage(node, key, users, now));
  return rotation > key.rotation ? { step: 'rotate' } : use('KeyMade', `the key of the Secret ${secret}`);
}

/**
 * The overlap is a minimum: the previous key stays while a peer accepts only that, or may accept only that. A peer's server says so itself, so a hostile one
 * could keep the key in force for ever. Only where an administrator has set a maximum does it end: a peer that is merely slow must
 * not be cut off without anybody's wish.
 */
function overlapping(
  node: NodeObject,
  key: ObservedKey,
  { inUse, unseen }: PreviousKeyUsers,
  now: number,
): KeyStep | undefined {
  const isUnused = now >= overlapEnd(node, key) && inUse.length + unseen.length === 0;
  return isUnused || now >= overlapMaxEnd(node, key) ? { step: 'dropPrevious' } : undefined;
}

/** In milliseconds since 1970; 0 where the Secret does not say when the overlap began, so that it is over. */
function overlapEnd(node: NodeObject, { rotatedAt = '' }: ObservedKey): number {
  const began = Date.parse(rotatedAt);
  return Number.isNaN(began) ? 0 : began + overlapMs(node);
}

/** How long a previous key is kept at least. */
export function overlapMs({ spec }: Pick<NodeObject, 'spec'>): number {
  return durationMs(spec.key?.overlap) ?? DEFAULT_OVERLAP_MS;
}

/** In milliseconds since 1970; infinite where there is no maximum, or the Secret does not say when the overlap began. */
function overlapMaxEnd({ spec }: NodeObject, { rotatedAt = '' }: ObservedKey): number {
  const [began, most] = [Date.parse(rotatedAt), durationMs(spec.key?.overlapMax)];
  return Number.isNaN(began) || most === undefined ? Number.POSITIVE_INFINITY : began + most;
}

function stop(reason: (KeyStep & { step: 'stop' })['reason'], message: string): KeyStep {
  return { step: 'stop', reason, message };
}

/** A step that could not be taken, since the Secret could not be written. */
interface FailedStep {
  readonly step: KeyStep['step'];
  /** Whether there is a Secret for the key, perhaps an empty one. */
  readonly hasSecret: boolean;
  /** In the words of the API server. */
  readonly problem: string;
}

/**
 * What to do after a step of {@link keyStep} that could not be taken: the key that is there stays in use. Without one nothing can go
 * on, and nothing may with a key whose seed is published: it would be let in here.
 *
 * The operator needs no right to make Secrets: who had it could make one with the token of any service account. So where nobody has
 * made a Secret for the key, a person is told how.
 *
 * @param key without a previous key that should have been removed: it has ended all the same, since it may have been stolen
 */
export function keyRefused(
  { metadata: { name, namespace = '' } }: NodeObject,
  key: ObservedKey | undefined,
  { step, hasSecret, problem }: FailedStep,
): KeyStep {
  if (!key && hasSecret)
    return stop('WriteRefused', `the key cannot be written into the Secret ${name}-nkey: ${problem}`);
  if (!key) {
    const command = `kubectl create secret generic ${name}-nkey -n ${namespace}`;
    return stop('SecretMissing', `make an empty Secret, which the operator fills: ${command} (it cannot: ${problem})`);
  }
  const { secret, current, previous } = key;
  if (current.problem === undefined && current.published)
    return stop('PublishedKey', `${publishedKey(secret)}, and the Secret cannot be changed: ${problem}`);
  const what =
    step === 'dropPrevious' ? 'the previous key has ended, and cannot be removed from it' : 'which cannot be changed';
  const message = `the key of the Secret ${secret}, ${what}: ${problem}`;
  return { step: 'use', publicKeys: publicKeysOf(key), reason: previous ? 'Rotating' : 'KeyMade', message };
}

/** The public keys for the peers: the key in force first, and never a key whose seed is published. */
export function publicKeysOf({ current, previous }: ObservedKey): string[] {
  return [current, previous].flatMap((key) => (key?.publicKey === undefined || key.published ? [] : [key.publicKey]));
}

function missingKey(node: NodeObject, brought: string | undefined, rotation: number): KeyStep {
  if (brought !== undefined) {
    return stop('MissingReference', `spec.key.secretRef: there is no Secret ${brought} in this namespace`);
  }
  const known = node.status?.publicKeys?.[0];
  const rotates = rotation > (node.status?.rotation ?? 0);
  if (known === undefined || rotates) return { step: 'create' };
  return stop(
    'KeyLost',
    `the seed of ${known} is gone: the Secret ${node.metadata.name}-nkey is missing or empty, and peers know that key; restore it from a ` +
      'backup, or raise spec.key.rotation to have a new one made, and send the new invitation to every peer',
  );
}

/** Reads `90s`, `30m` or `24h`; the CRD lets nothing else through. @returns milliseconds; undefined for anything else */
function durationMs(text = ''): number | undefined {
  const [, count, unit] = /^(\d+)([smh])$/.exec(text) ?? [];
  return count === undefined || unit === undefined ? undefined : Number(count) * (UNITS[unit] ?? 0);
}

function publishedMessage(secret: string, brought: boolean): string {
  const how = brought ? 'put a key of your own into it' : 'raise spec.key.rotation to have one made';
  return `${publishedKey(secret)}: ${how}`;
}

function publishedKey(secret: string): string {
  return `the key in the Secret ${secret} is one that LinuxForHealth publishes with its seed, so that anybody can use it`;
}

function rotatingMessage(node: NodeObject, key: ObservedKey, { inUse, unseen }: PreviousKeyUsers, now: number): string {
  const [end, most] = [overlapEnd(node, key), overlapMaxEnd(node, key)];
  const told = Number.isFinite(most) ? `; it ends at ${new Date(most).toISOString()}, whatever peers accept` : '';
  if (now < Math.min(end, most))
    return `the previous key is accepted until ${new Date(end).toISOString()} at least${told}`;
  const needed = 'these peers still accept only the previous key, and need the new invitation';
  const unknown = 'it is not known yet of these peers whether they accept only the previous key';
  const who = inUse.length > 0 ? `${needed}: ${inUse.join(', ')}` : `${unknown}: ${unseen.join(', ')}`;
  return `${who}${told}`;
}

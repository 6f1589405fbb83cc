import { messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import { KINDS, type Secret } from '../api/objects.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { KubeError } from '../cluster/errors.ts';
import { derivedKeys } from '../nats/keys.ts';
import { type DerivedKeys, NO_DERIVED_KEYS, type NodeObject, type ObservedKey } from '../plan/observed/observed.ts';
import { nodeSpec } from '../plan/observed/spec.ts';
import { previousKeyUsers, unseenPeers } from '../plan/status/status.ts';
import { type KeyStep, keyRefused, keyStep, overlapMs } from '../plan/trust/node-key.ts';
import { keySecretOf } from './concerns.ts';
import {
  createKey,
  dropPreviousKey,
  fillKey,
  isEmpty,
  readKey,
  rotateKey,
  type StoredKey,
  withoutPrevious,
} from './key-store.ts';
import type { Snapshot } from './snapshot.ts';

/** A node's key after it was made, rotated or dropped. */
export interface NodeKey {
  /** `use` or `stop`: nothing is left to do. */
  readonly step: KeyStep;
  /** What a plan and a status may know of the key; it holds no seed. */
  readonly observed: ObservedKey | undefined;
  /** The public keys that peers know, the one in force first. */
  readonly publicKeys: readonly string[];
  /** undefined: the node has no key that it may use, and can sign in nowhere. */
  readonly seed: string | undefined;
  /** The seed before a rotation, as long as it may be used. */
  readonly previousSeed: string | undefined;
  /** Why a step could not be taken now, where that may pass. The key before it is in force meanwhile. */
  readonly failure?: KubeError;
}

/**
 * Makes, rotates or drops a node's key, as {@link keyStep} decides, until there is nothing left to do.
 *
 * Where a Secret cannot be written, the key that is there stays in force as far as it may be used, and everything else is done:
 * above all, access that is to be taken back.
 *
 * @throws KubeError where the API does not answer, and the Secret cannot be read or there was never a key; else it becomes a step
 *   that says so
 */
export async function reconcileKey(api: Cluster, snapshot: Snapshot, log: Logger, now: number): Promise<NodeKey> {
  const { node, peers, keySecret } = snapshot;
  const { name, namespace = '' } = node.metadata;
  const read = (): Promise<Secret | undefined> => api.get<Secret>(KINDS.secret, namespace, keySecretOf(node));
  // A key that the watch has not delivered yet must not be taken for a lost one.
  let secret = keySecret && !isEmpty(keySecret) ? keySecret : await read();
  for (;;) {
    const stored = keyIn(secret, node);
    const key = stored?.observed;
    const users = { inUse: previousKeyUsers({ key, peers }), unseen: unseenPeers(peers, overlapMs(node), now) };
    const next = keyStep(node, key, users, now);
    const change = changeOf(next, node, secret, now);
    if (!change) return nodeKeyOf(next, stored, node);
    try {
      secret = await change(api);
      log.info({ node: name, namespace, step: next.step }, "the node's key");
    } catch (error) {
      const unchanged = unchangedKey(error, next, stored, secret !== undefined, node);
      if (unchanged) return unchanged;
      // A conflict: the Secret was changed after it was read.
      secret = await read();
    }
  }
}

/** @returns what may be used of the key after a step that failed; undefined for a conflict. @throws see {@link reconcileKey} */
function unchangedKey(
  error: unknown,
  { step: failed }: KeyStep,
  stored: StoredKey | undefined,
  hasSecret: boolean,
  node: NodeObject,
): NodeKey | undefined {
  if (!(error instanceof KubeError)) throw error;
  if (error.isConflict) return undefined;
  // A node that never had a key has given nobody access, and what passes by itself need not be told as its first condition.
  if (!stored && !error.isRefusal && node.status?.publicKeys === undefined) throw error;
  const usable = stored && failed === 'dropPrevious' ? withoutPrevious(stored) : stored;
  const step = keyRefused(node, usable?.observed, { step: failed, hasSecret, problem: messageOf(error) });
  return { ...nodeKeyOf(step, usable, node), ...(!error.isRefusal && { failure: error }) };
}

/** An empty Secret has no key yet, unless a person should have brought one. */
function keyIn(secret: Secret | undefined, { spec }: NodeObject): StoredKey | undefined {
  if (!secret || (isEmpty(secret) && spec.key?.secretRef === undefined)) return undefined;
  return readKey(secret);
}

/** What a step changes in the API; undefined where it changes nothing. */
function changeOf(
  { step }: KeyStep,
  node: NodeObject,
  secret: Secret | undefined,
  now: number,
): ((api: Cluster) => Promise<Secret>) | undefined {
  if (step === 'create') return (api) => (secret ? fillKey(api, node, secret) : createKey(api, node));
  if (step === 'rotate' && secret) return (api) => rotateKey(api, secret, nodeSpec(node).rotation, now);
  if (step === 'dropPrevious' && secret) return (api) => dropPreviousKey(api, secret);
  return undefined;
}

/** The public keys that are derived from a node's seed, derived once for each key that it has. */
export class KeyDerivation {
  #seed: string | undefined;
  #previousSeed: string | undefined;
  #keys = NO_DERIVED_KEYS;

  from({ seed, previousSeed }: Pick<NodeKey, 'seed' | 'previousSeed'>): DerivedKeys {
    if (seed === undefined) return NO_DERIVED_KEYS;
    if (seed !== this.#seed || previousSeed !== this.#previousSeed) {
      this.#keys = derivedKeys(seed, previousSeed);
      this.#seed = seed;
      this.#previousSeed = previousSeed;
    }
    return this.#keys;
  }
}

function nodeKeyOf(step: KeyStep, stored: StoredKey | undefined, { status }: NodeObject): NodeKey {
  const observed = stored?.observed;
  if (step.step !== 'use') {
    return { step, observed, publicKeys: status?.publicKeys ?? [], seed: undefined, previousSeed: undefined };
  }
  return { step, observed, publicKeys: step.publicKeys, seed: stored?.seed, previousSeed: stored?.previousSeed };
}

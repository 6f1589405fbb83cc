import { isPublished } from '../../common/contract/nkeys.ts';
import { PREVIOUS_SEED_FILE, SEED_FILE } from '../../common/contract/settings-mac.ts';
import { InvalidInputError } from '../../common/errors.ts';
import { GROUP, KINDS, type Metadata, type Secret } from '../api/objects.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { KubeError } from '../cluster/errors.ts';
import { makeKey, publicKeyOf } from '../nats/keys.ts';
import { MANAGED_BY, NAMES, NODE_LABEL } from '../plan/observed/names.ts';
import type { KeyReading, NodeObject, ObservedKey } from '../plan/observed/observed.ts';

/**
 * Keeps nodes' keys in Secrets. A key is created, put into an empty Secret, or replaced, never applied: an apply would overwrite a seed with a new
 * one.
 */

const PUBLIC_KEY = 'public-key';
const PREVIOUS_PUBLIC_KEY = 'previous-public-key';
const ROTATION = `${GROUP}/rotation`;
const ROTATED_AT = `${GROUP}/rotated-at`;

/** What a Secret holds. The seeds are apart from what a plan may know, and go only to those who sign in. */
export interface StoredKey {
  readonly observed: ObservedKey;
  readonly seed: string | undefined;
  /**
   * The seed before a rotation; undefined where it may not be used, since the user that is derived from it is let in.
   */
  readonly previousSeed: string | undefined;
}

/** Reads a Secret with a key; never throws, whatever is in it. */
export function readKey(secret: Secret): StoredKey {
  const { name, annotations } = secret.metadata;
  const { rotation, rotatedAt } = historyOf(annotations);
  const seed = textOf(secret, SEED_FILE);
  const previousSeed = textOf(secret, PREVIOUS_SEED_FILE);
  const previous = previousSeed === undefined ? undefined : read(previousSeed);
  const current = seed === undefined ? { problem: `it has no entry ${SEED_FILE}` } : read(seed);
  return {
    observed: { secret: name, current, previous, rotation, rotatedAt },
    seed,
    previousSeed: previous?.problem === undefined && previous?.published === false ? previousSeed : undefined,
  };
}

/** A key whose overlap is over, though its Secret still holds the previous one. */
export function withoutPrevious(stored: StoredKey): StoredKey {
  return { ...stored, observed: { ...stored.observed, previous: undefined }, previousSeed: undefined };
}

/** Whether a Secret holds nothing: the chart makes one like that for each node, and the operator fills it. */
export function isEmpty({ data = {} }: Secret): boolean {
  return Object.keys(data).length === 0;
}

/**
 * Puts the node's first key into an empty Secret.
 *
 * @throws KubeError where the Secret has changed since it was read
 */
export function fillKey(api: Cluster, node: NodeObject, secret: Secret): Promise<Secret> {
  const { labels, annotations } = newKeyMetadata(node);
  const { metadata } = secret;
  return api.replace<Secret>({
    ...secret,
    metadata: {
      ...metadata,
      // The chart's own labels stay.
      labels: { ...labels, ...metadata.labels },
      annotations: { ...metadata.annotations, ...annotations },
    },
    data: newKeyData(),
  });
}

/**
 * Makes the node's first key. If somebody else has made one in the meantime, that one counts.
 *
 * The Secret outlives its node: otherwise a node that was deleted by mistake would have to be introduced to every peer
 * again.
 */
export async function createKey(api: Cluster, node: NodeObject): Promise<Secret> {
  const { name, namespace = '' } = node.metadata;
  const metadata = { name: NAMES.key(name), namespace, ...newKeyMetadata(node) };
  try {
    return await api.create<Secret>({ apiVersion: 'v1', kind: 'Secret', metadata, type: 'Opaque', data: newKeyData() });
  } catch (error) {
    if (!(error instanceof KubeError && error.isAlreadyExists)) throw error;
    const found = await api.get<Secret>(KINDS.secret, namespace, NAMES.key(name));
    if (!found) throw error;
    return found;
  }
}

function newKeyMetadata({ metadata, spec }: NodeObject): Required<Pick<Metadata, 'labels' | 'annotations'>> {
  return {
    labels: { ...MANAGED_BY, [NODE_LABEL]: metadata.name },
    annotations: { [ROTATION]: String(spec.key?.rotation ?? 0) },
  };
}

function newKeyData(): NonNullable<Secret['data']> {
  const { seed, publicKey } = makeKey();
  return { [SEED_FILE]: encode(seed), [PUBLIC_KEY]: encode(publicKey) };
}

/**
 * Puts a new key in force, and keeps the current one as the previous one.
 *
 * @throws KubeError where the Secret has changed since it was read
 */
export function rotateKey(api: Cluster, secret: Secret, rotation: number, now: number): Promise<Secret> {
  const { seed, publicKey } = makeKey();
  const { [SEED_FILE]: before = '', [PUBLIC_KEY]: publicBefore = '' } = secret.data ?? {};
  return api.replace<Secret>({
    ...secret,
    metadata: {
      ...secret.metadata,
      annotations: {
        ...secret.metadata.annotations,
        [ROTATION]: String(rotation),
        [ROTATED_AT]: new Date(now).toISOString(),
      },
    },
    data: {
      ...secret.data,
      [SEED_FILE]: encode(seed),
      [PUBLIC_KEY]: encode(publicKey),
      [PREVIOUS_SEED_FILE]: before,
      [PREVIOUS_PUBLIC_KEY]: publicBefore,
    },
  });
}

/** Ends a rotation: removes the previous key. @throws KubeError where the Secret has changed since it was read */
export function dropPreviousKey(api: Cluster, secret: Secret): Promise<Secret> {
  const { [PREVIOUS_SEED_FILE]: _seed, [PREVIOUS_PUBLIC_KEY]: _public, ...data } = secret.data ?? {};
  return api.replace<Secret>({ ...secret, data });
}

/**
 * An annotation that somebody has changed to something else is ignored: the API server refuses a whole status for a
 * value like that.
 */
function historyOf(annotations: Metadata['annotations']): Pick<ObservedKey, 'rotation' | 'rotatedAt'> {
  const rotation = Number(annotations?.[ROTATION]);
  const rotatedAt = annotations?.[ROTATED_AT] ?? '';
  return {
    rotation: Number.isSafeInteger(rotation) && rotation >= 0 ? rotation : 0,
    rotatedAt: new Date(rotatedAt).toJSON() === rotatedAt ? rotatedAt : undefined,
  };
}

function read(seed: string): KeyReading {
  try {
    const publicKey = publicKeyOf(seed);
    return { publicKey, published: isPublished(publicKey) };
  } catch (error) {
    if (error instanceof InvalidInputError) return { problem: error.message };
    throw error;
  }
}

function textOf(secret: Secret, key: string): string | undefined {
  const value = secret.data?.[key];
  return value === undefined ? undefined : Buffer.from(value, 'base64').toString('utf8');
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64');
}

import { createUser } from 'nkeys.js';
import { syncName } from '../../common/contract/names.ts';
import { derivedSeed, localNatsSeed, sidecarNatsSeed, userPublicKey } from '../../common/contract/nkeys.ts';
import { isAuthentic, settingsMac } from '../../common/contract/settings-mac.ts';
import { InvalidInputError } from '../../common/errors.ts';
import type { DerivedKeys } from '../plan/observed/observed.ts';

/** Makes, reads, checks and derives NKeys. No message here quotes a text that may hold a seed. */

/** An NKey user. */
export interface UserKey {
  /** `SU…`, without a line end. A secret. */
  readonly seed: string;
  /** `U…` */
  readonly publicKey: string;
}

const SEED = /(?<![A-Z2-7])S[ACNOUX][A-Z2-7]{56}(?![A-Z2-7])/;
const PUBLIC_KEY = /^[ACNOUX][A-Z2-7]{55}$/;

/** Makes a new random key. */
export function makeKey(): UserKey {
  return keyOf(new TextDecoder().decode(createUser().getSeed()));
}

/**
 * The public key that belongs to a seed.
 *
 * A line end after the seed is refused: the keys that are derived from the seed must be the same wherever the file is
 * read.
 *
 * @throws InvalidInputError saying what the text is instead, without quoting a character of it
 */
export function publicKeyOf(seed: string): string {
  const publicKey = userPublicKey(seed);
  if (publicKey !== undefined) return publicKey;
  throw new InvalidInputError(
    problemOf(seed) ?? 'the seed is damaged, its checksum does not fit: copy it again, all 58 characters of it',
  );
}

/**
 * The key of the user as which a node's operator signs in at its local NATS, with all rights in the stream's account; see
 * {@link localNatsSeed}.
 */
export function localNatsKey(nodeSeed: string): UserKey {
  return keyOf(localNatsSeed(nodeSeed));
}

/** The key of the user as which a node's sidecars sign in there; see {@link sidecarNatsSeed}. */
export function sidecarNatsKey(nodeSeed: string): UserKey {
  return keyOf(sidecarNatsSeed(nodeSeed));
}

/**
 * The key of the canary: a user without any rights that is in one generation of a node's nats-server configuration, and
 * in no other. It can be derived with the node's seed, so that it need not be stored anywhere, and by nobody without
 * it.
 *
 * @param configHash the hash of the configuration without the canary's own line
 */
export function canaryKey(nodeSeed: string, configHash: string): UserKey {
  return keyOf(derivedSeed(nodeSeed, `lfh-sync canary ${configHash}`));
}

/** Node takes no longer text as the `info` of HKDF. */
const MAX_PURPOSE_BYTES = 1_024;

/**
 * The key of the user as which the operator probes a peer's account from inside. Derived as the canary's is.
 *
 * An id of 253 characters can have 1,012 bytes, for which there is no room. Such a one is derived from its sync name, in which it
 * is hashed, and with a word in front that the purpose of no other id begins with.
 */
export function probeKey(nodeSeed: string, peerLfhId: string): UserKey {
  const purpose = `lfh-sync probe ${peerLfhId}`;
  const fits = Buffer.byteLength(purpose) <= MAX_PURPOSE_BYTES;
  return keyOf(derivedSeed(nodeSeed, fits ? purpose : `lfh-sync hashed probe ${syncName(peerLfhId)}`));
}

/**
 * What is derived from a node's seed and may be known. Each public key is derived once and kept, since that takes milliseconds,
 * and a node may have hundreds of peers.
 *
 * @param previousSeed during a rotation: the users that are derived from it are let in as well
 */
export function derivedKeys(seed: string, previousSeed: string | undefined): DerivedKeys {
  const probes = new Map<string, string>();
  const seeds = [seed, previousSeed].filter((each) => each !== undefined);
  const own = seeds.map((each) => localNatsKey(each).publicKey);
  const sidecars = seeds.map((each) => sidecarNatsKey(each).publicKey);
  return {
    own: () => own,
    sidecars: () => sidecars,
    canary: (configHash) => canaryKey(seed, configHash).publicKey,
    probe: (peerLfhId) => {
      const known = probes.get(peerLfhId) ?? probeKey(seed, peerLfhId).publicKey;
      probes.set(peerLfhId, known);
      return known;
    },
    settingsMac: (entries) => settingsMac(entries, seeds),
    isAuthentic: (entries) => isAuthentic(entries, seeds),
  };
}

function keyOf(seed: string): UserKey {
  return { seed, publicKey: publicKeyOf(seed) };
}

function problemOf(seed: string): string | undefined {
  if (seed === '') return 'the seed is empty';
  if (seed.trim() !== seed && SEED.test(seed)) {
    return 'there is a line end or a blank around the seed: write the file without (printf %s)';
  }
  if (PUBLIC_KEY.test(seed)) return 'this is a public key: the seed belongs here, which begins with SU';
  if (!/^S[A-Z2-7]{57}$/.test(seed)) {
    return `this is no seed: expected SU and 56 more of A-Z 2-7, found a text of ${seed.length} characters`;
  }
  if (!seed.startsWith('SU')) return 'this is the seed of an account, operator or server: expected a user, SU…';
  return undefined;
}

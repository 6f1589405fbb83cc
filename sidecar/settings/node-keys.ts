import { settingText } from '../../common/contract/settings.ts';
import { InvalidInputError } from '../../common/errors.ts';
import { publicKeyOf } from '../nats/public-key.ts';
import { readIfThere, readReferenced } from './referenced-file.ts';

/** What the node signs in with at its peers. The keys for its local NATS are derived from these (see `sidecarNatsSeed`). */
export interface NodeKeys {
  /** The NKey seed of this node. */
  readonly seed: Uint8Array;
  /** The seed before this one, while the key is being replaced. */
  readonly previousSeed?: Uint8Array;
  /** The public keys of both, in the order in which they are tried. */
  readonly publicKeys: readonly string[];
}

const CURRENT = settingText('natsKeyFile');
const PREVIOUS = settingText('previousNatsKeyFile');

/**
 * Loads the node's key, and the previous key when there is one.
 *
 * The file of the previous key may be missing although a setting names it: the settings and the keys are mounted separately,
 * so either may come or go before the other. It is read after the current key, because both files change at once: read in the
 * other order, the new key could be seen without the one before it. In this order the same key may be seen twice, which does
 * not count as a rotation.
 *
 * @throws InvalidInputError for a file that does not hold a seed; MissingReferenceError when there is no current key
 */
export async function loadKeys(file: string, previousFile: string | undefined): Promise<NodeKeys> {
  const seed = readSeed(CURRENT, await readReferenced(CURRENT, file));
  const publicKey = publicKeyIn(CURRENT, seed);
  const content = previousFile === undefined ? undefined : await readIfThere(PREVIOUS, previousFile);
  if (content === undefined) return { seed, publicKeys: [publicKey] };
  const previousSeed = readSeed(PREVIOUS, content);
  const previousKey = publicKeyIn(PREVIOUS, previousSeed);
  return previousKey === publicKey
    ? { seed, publicKeys: [publicKey] }
    : { seed, previousSeed, publicKeys: [publicKey, previousKey] };
}

/** connect's key file has no line end after the seed, but many editors add one. */
function readSeed(setting: string, content: string): Uint8Array {
  const seed = content.trim();
  if (/^U[A-Z2-7]{55}$/.test(seed)) {
    throw new InvalidInputError(
      `${setting}: holds a public key (U…); expected the seed (SU…), which nk -gen user prints first`,
    );
  }
  if (!/^SU[A-Z2-7]{56}$/.test(seed)) {
    throw new InvalidInputError(
      `${setting}: expected the seed of an NKey user: SU and 56 more capital letters and digits`,
    );
  }
  return new TextEncoder().encode(seed);
}

/** A seed holds a checksum, so a mistyped letter shows here and not as a refusal by every peer. */
function publicKeyIn(setting: string, seed: Uint8Array): string {
  try {
    return publicKeyOf(seed);
  } catch {
    throw new InvalidInputError(
      `${setting}: looks like a seed, but its checksum is wrong: was a letter lost or mistyped?`,
    );
  }
}

import { InvalidInputError } from '../../common/errors.ts';
import { publicKeyOf } from '../nats/public-key.ts';
import { readIfThere, readReferenced } from './referenced-file.ts';

/** What the node signs in with at its peers; whom its local NATS knows is derived from them ({@link localNatsSeed}). */
export interface NodeKeys {
  /** The NKey seed of this node. */
  readonly seed: Uint8Array;
  /** The one before it, while the key is being replaced. */
  readonly previousSeed?: Uint8Array;
  /** Of both, in the order in which they are tried. */
  readonly publicKeys: readonly string[];
}

const CURRENT = 'NATS_NK_FILE';
const PREVIOUS = 'LFH_SYNC_PREVIOUS_NK_FILE';

/**
 * Loads the node's key, and the previous one where there is one.
 *
 * The file of the previous one may be missing although it is named: the settings and the keys are mounted separately, so
 * either may come or go before the other. It is read after the current one: the two change at once, and the other way round
 * the new key could be seen without the one before it. (This way round one key may be seen twice, which is no rotation.)
 *
 * @throws InvalidInputError for what is no seed; MissingReferenceError where there is no current one
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

/** The seed document asks for no trailing newline; many editors leave one all the same. */
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

/** A seed holds a checksum: a letter mistyped in it shows here, and not as a refusal at every peer. */
function publicKeyIn(setting: string, seed: Uint8Array): string {
  try {
    return publicKeyOf(seed);
  } catch {
    throw new InvalidInputError(
      `${setting}: looks like a seed, but its checksum is wrong: was a letter lost or mistyped?`,
    );
  }
}

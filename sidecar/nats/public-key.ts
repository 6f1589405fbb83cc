import { fromSeed } from 'nkeys.js';
import { InvalidInputError } from '../../common/errors.ts';

/**
 * Tells the public key (`U…`) of a user's seed (`SU…`).
 *
 * @throws InvalidInputError for any other, also one with a letter mistyped; never with the seed in it
 */
export function publicKeyOf(seed: Uint8Array): string {
  let publicKey = '';
  try {
    publicKey = fromSeed(seed).getPublicKey();
  } catch {
    // The library's error is not kept as a cause: it is about a secret.
  }
  if (!publicKey.startsWith('U')) throw new InvalidInputError('the NKey seed is not that of a user (SU…)');
  return publicKey;
}

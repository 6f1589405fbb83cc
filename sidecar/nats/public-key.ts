import { fromSeed } from 'nkeys.js';
import { InvalidInputError } from '../../common/errors.ts';

/**
 * Returns the public key (`U…`) of a user's seed (`SU…`).
 *
 * @throws InvalidInputError for anything else, also for a seed with one wrong letter; the message never contains the seed
 */
export function publicKeyOf(seed: Uint8Array): string {
  let publicKey = '';
  try {
    publicKey = fromSeed(seed).getPublicKey();
  } catch {
    // The library's error is not kept as the cause, since it may quote a secret.
  }
  if (!publicKey.startsWith('U')) throw new InvalidInputError('the NKey seed is not that of a user (SU…)');
  return publicKey;
}

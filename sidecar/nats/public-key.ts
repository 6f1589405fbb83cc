import { userPublicKey } from '../../common/contract/nkeys.ts';
import { InvalidInputError } from '../../common/errors.ts';

/**
 * Returns the public key (`U…`) of a user's seed (`SU…`).
 *
 * @throws InvalidInputError for anything else, also for a seed with one wrong letter; the message never contains the seed
 */
export function publicKeyOf(seed: Uint8Array): string {
  const publicKey = userPublicKey(seed);
  if (publicKey === undefined) throw new InvalidInputError('the NKey seed is not that of a user (SU…)');
  return publicKey;
}

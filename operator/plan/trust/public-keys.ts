import { decodeBase32 } from '../../../common/contract/base32.ts';
import { crc16 } from '../../../common/contract/nkeys.ts';

/** NKeys of users as people write them down: which of them nats-server takes, and which of those nobody should. Pure. */

/** Keys whose seeds LinuxForHealth has published (upstream.md): everybody can sign in with them. */
const PUBLISHED_KEYS: ReadonlySet<string> = new Set([
  'UAOG3WGHPVLI3OQQVVTAP33Q3VOJKHYRZWA7A3REHZ3AD4U7YJJUYXO4',
  'UC2VSUPV3KX22XSD25K4Y2RLOXN4DGJFD5IMTQ326UZYBPEDVMTL7EER',
]);

const SHAPE = /^U[A-Z2-7]{55}$/;
/** What the bytes of a user's key begin with. */
const USER_PREFIX = 0xa0;

export interface KeyProblem {
  readonly reason: 'InvalidSpec' | 'PublishedKey';
  /** Which of them, and what to do; never a character of it, since a seed may have been pasted. */
  readonly message: string;
}

export interface JudgedKeys {
  /** In the order they were given. */
  readonly usable: readonly string[];
  readonly problems: readonly KeyProblem[];
}

/**
 * Judges public keys. What is wrong with one of them is told and the others still count: nats-server refuses a *whole*
 * configuration for one key with one wrong character, and would let nobody else in any more after its next start.
 *
 * @param where they stand, for the messages: `spec.publicKeys`
 */
export function judgeKeys(keys: readonly string[], where: string): JudgedKeys {
  const usable: string[] = [];
  const problems: KeyProblem[] = [];
  for (const [index, key] of keys.entries()) {
    const problem = problemOf(key, `${where}[${index}]`);
    if (problem) problems.push(problem);
    else usable.push(key);
  }
  return { usable, problems };
}

/** Whether everybody can sign in with this key, because its seed is in LinuxForHealth's sources or documentation. */
export function isPublished(publicKey: string): boolean {
  return PUBLISHED_KEYS.has(publicKey);
}

/** Whether nats-server takes it for the public key of a user: it compares the checksum that every NKey ends with. */
export function isUserKey(text: string): boolean {
  if (!SHAPE.test(text)) return false;
  const bytes = decodeBase32(text);
  const [low = 0, high = 0] = bytes.slice(-2);
  return bytes[0] === USER_PREFIX && crc16(bytes.slice(0, -2)) === low + high * 256;
}

function problemOf(key: string, place: string): KeyProblem | undefined {
  if (isPublished(key)) {
    const message = `${place} is a key that LinuxForHealth publishes with its seed, so that anybody can sign in with it: have it replaced`;
    return { reason: 'PublishedKey', message };
  }
  if (isUserKey(key)) return undefined;
  const message = SHAPE.test(key)
    ? `${place} is damaged, its checksum does not fit: copy it again, all 56 characters of it`
    : `${place} is no public key: expected U and 55 more of A-Z 2-7; never a seed (S…)`;
  return { reason: 'InvalidSpec', message };
}

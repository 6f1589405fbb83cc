import { decodeBase32 } from '../../../common/contract/base32.ts';
import { crc16, isPublished } from '../../../common/contract/nkeys.ts';

/** Public NKeys of users as people write them down: which ones nats-server takes, and which of those must never be used. */

const SHAPE = /^U[A-Z2-7]{55}$/;
/** The first byte of every user's key. */
const USER_PREFIX = 0xa0;

export interface KeyProblem {
  readonly reason: 'InvalidSpec' | 'PublishedKey';
  /** Says which key it is and what to do. It never quotes the key, which may be a seed that was pasted by mistake. */
  readonly message: string;
}

export interface CheckedKeys {
  /** In the order in which they were given. */
  readonly usable: readonly string[];
  readonly problems: readonly KeyProblem[];
}

/**
 * Checks public keys. A problem with one of them is reported and the others still count: nats-server refuses a *whole*
 * configuration for one key with one wrong character, and would let nobody in any more after its next start.
 *
 * @param where the keys are written, for the messages: `spec.publicKeys`
 */
export function checkKeys(keys: readonly string[], where: string): CheckedKeys {
  const usable: string[] = [];
  const problems: KeyProblem[] = [];
  for (const [index, key] of keys.entries()) {
    const problem = problemOf(key, `${where}[${index}]`);
    if (problem) problems.push(problem);
    else usable.push(key);
  }
  return { usable, problems };
}

/** Checks one public key, as {@link checkKeys} does. @returns nothing where it is in order */
export function checkKey(key: string, where: string): KeyProblem[] {
  const problem = problemOf(key, where);
  return problem ? [problem] : [];
}

/** Whether nats-server takes a text as the public key of a user: it compares the checksum at the end of every NKey. */
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
    ? `${place} is damaged, since its checksum does not fit: copy all 56 characters of it again`
    : `${place} is not a public key: expected U and 55 more of A-Z 2-7; never a seed (S…)`;
  return { reason: 'InvalidSpec', message };
}

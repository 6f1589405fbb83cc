import { statusTime } from '../observed/times.ts';

/** A certificate with less time left than this should be replaced by a person, if nothing replaces it by itself. */
const SOON_MS = 30 * 24 * 60 * 60 * 1000;

/**
 * What a condition's message says of a certificate that expires soon. It takes nothing from the condition: all works until then.
 *
 * @param what expires, as the beginning of a sentence
 * @param expires in milliseconds since 1970; undefined where it is not known
 * @param now in milliseconds since 1970
 * @returns empty where it is valid for long, or has expired, which is said elsewhere
 */
export function expiryRemarks(what: string, expires: number | undefined, now: number): string[] {
  if (expires === undefined || expires <= now || expires - now >= SOON_MS) return [];
  return [`${what} expires on ${statusTime(expires)}: have it replaced before that`];
}

/** The last of several times; undefined where there is none. */
export function latest(times: readonly number[]): number | undefined {
  return times.length === 0 ? undefined : Math.max(...times);
}

/** The first of several times; undefined where there is none. */
export function earliest(times: readonly number[]): number | undefined {
  return times.length === 0 ? undefined : Math.min(...times);
}

import type { RetrySettings } from '../../common/contract/fhir-servers.ts';

/** When a resource, or a server, is tried again. */

const FIRST_MS = 1_000;
/** A server that asks for more than this is asked again all the same. */
const MOST_RETRY_AFTER_MS = 3_600_000;

/**
 * Exponential, with jitter: from half of the time to all of it, so that clients that failed together do not come back together,
 * and none comes back at once.
 *
 * @param failures how many in a row, 1 after the first
 * @param random from 0 to 1
 * @returns milliseconds
 */
export function retryDelay(failures: number, random: number, { maxDelaySeconds }: RetrySettings): number {
  const full = Math.min(maxDelaySeconds * 1000, FIRST_MS * 2 ** Math.min(failures - 1, 30));
  return Math.round(full * (0.5 + random / 2));
}

/**
 * How long a server asks to be left alone.
 *
 * @param value of the header Retry-After: seconds, or a date
 * @param now milliseconds since 1970
 * @returns milliseconds; undefined where it is neither
 */
export function retryAfterMs(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined;
  const ms = /^\d{1,9}$/.test(value.trim()) ? Number(value.trim()) * 1000 : Date.parse(value) - now;
  return Number.isFinite(ms) ? Math.min(MOST_RETRY_AFTER_MS, Math.max(0, ms)) : undefined;
}

/**
 * When something may be tried again that was to wait until a time. No delay is longer than an hour, so a time further ahead was
 * written while a clock was wrong: it counts as over.
 *
 * @param notBefore milliseconds since 1970
 * @param now milliseconds since 1970
 */
export function timeFor(notBefore: number, { maxDelaySeconds }: RetrySettings, now: number): number {
  return notBefore - now > Math.max(MOST_RETRY_AFTER_MS, maxDelaySeconds * 1000) ? 0 : notBefore;
}

/** Whether a resource that has failed again is given up. */
export function isUsedUp(
  { attempts, since }: { readonly attempts: number; readonly since: number },
  { giveUpAfterSeconds, maxAttempts }: RetrySettings,
  now: number,
): boolean {
  return now - since > giveUpAfterSeconds * 1000 || (maxAttempts !== undefined && attempts >= maxAttempts);
}

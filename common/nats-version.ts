/** Which nats-servers will do. */

/** 2.10.27 was tried and does all but resets, which need 2.14; 2.6.6 was tried and refuses the durables that we need. */
export const OLDEST_NATS = '2.10';
/**
 * The oldest for a peer's server, where nothing is asked for but pulls. connect as it is shipped runs with no later one than 2.7.4,
 * which was tried (docs/upstream.md).
 */
export const OLDEST_PEER_NATS = '2.7';

/**
 * Whether a nats-server is older than it may be, by the version in its INFO. One that names no version, or one that
 * cannot be read, is given the benefit of the doubt.
 */
export function isTooOld(version: string | undefined, oldest: string = OLDEST_NATS): boolean {
  const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(version ?? '') ?? [];
  if (major === undefined || minor === undefined) return false;
  const [oldestMajor = 0, oldestMinor = 0] = oldest.split('.').map(Number);
  return Number(major) < oldestMajor || (Number(major) === oldestMajor && Number(minor) < oldestMinor);
}

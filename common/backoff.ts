/** How long to wait before trying again, and the waiting itself. */

const FIRST_MS = 250;
const MOST_MS = 30_000;

/**
 * Exponential, with full jitter, so that clients that failed together do not come back together.
 *
 * @param failures how many in a row, 1 after the first
 * @param random from 0 to 1
 * @returns milliseconds, at most 30 s
 */
export function delay(failures: number, random: number): number {
  return random * Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(failures, 20));
}

/** Resolves after `ms`, or as soon as `signal` is aborted; never rejects. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}

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

const FIRST_PATIENT_MS = 30_000;
const MOST_PATIENT_MS = 600_000;

/**
 * How long to wait after an error that nobody foresaw: longer than {@link delay}, because its cause is probably still there, and
 * without jitter, because it concerns one peer of one process.
 *
 * @param failures how many in a row, 1 after the first
 * @returns milliseconds, from 30 s up to 10 min
 */
export function patientDelay(failures: number): number {
  return Math.min(MOST_PATIENT_MS, FIRST_PATIENT_MS * 2 ** Math.min(failures - 1, 20));
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

import { run } from '../../sidecar/run.ts';

/** The product's sidecar, but where only the previous key is accepted it tries the current one every second. */
export const KEY_RETRY_MS = 1_000;

if (import.meta.main) {
  const stop = new AbortController();
  process.on('SIGTERM', () => stop.abort());
  await run(process.env, stop.signal, { keyRetryMs: KEY_RETRY_MS });
}

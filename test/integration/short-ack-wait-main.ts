import { run } from '../../sidecar/run.ts';

/** The product's sidecar, for durables whose ack_wait a test made shorter than 30 s, to wait less. */
export const ACK_WAIT_MS = 3_000;

if (import.meta.main) {
  const stop = new AbortController();
  process.on('SIGTERM', () => stop.abort());
  await run(process.env, stop.signal, { ackWaitMs: ACK_WAIT_MS + 500 });
}

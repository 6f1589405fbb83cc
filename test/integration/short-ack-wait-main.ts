import { makeParts } from '../../sidecar/parts.ts';
import { run } from '../../sidecar/run.ts';

/** The product's sidecar, for durables that a test made with a shorter ack_wait than 30 s, so that it waits less. */
export const ACK_WAIT_MS = 3_000;

if (import.meta.main) {
  const stop = new AbortController();
  process.on('SIGTERM', () => stop.abort());
  const parts = await makeParts(process.env);
  const openStream: typeof parts.openStream = async (...request) =>
    Object.assign(await parts.openStream(...request), { ackWaitMs: ACK_WAIT_MS + 500 });
  await run({ ...parts, openStream }, stop.signal);
}

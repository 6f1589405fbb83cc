import { sleep } from '../common/backoff.ts';
import type { PeerStream } from './ports.ts';
import { Chain } from './replay/chain.ts';

/** As many as may be looked at together; their payloads are dropped at once. */
const SWEEP_LIMITS = { messages: 5_000, bytes: 8 * 1024 * 1024 };
/** Longer than a pull lives, so that silence means that nothing is on its way. */
const SILENCE_MS = 6_000;

/**
 * Finds out what a durable has handed out and not got acknowledged, on a server that cannot reset it (before 2.14).
 *
 * Such messages come back `ack_wait` after they were handed out: behind newer ones, if we went on at once. So nothing is
 * pulled until all of them are due; then they are delivered first, and are looked at, without acknowledging any, up to
 * the first that was never delivered before. Now we know what is outstanding, and that nobody but us has it. After
 * another `ack_wait` they come again, and the chain returned here demands exactly these, in the stream's order, before
 * anything newer is taken. If anybody else is handed a message meanwhile, the chain breaks and it starts again.
 *
 * @param lastSeen consumer sequence of the newest delivery known, for when nothing turns out to be outstanding
 */
export async function sweep(
  stream: PeerStream,
  lastSeen: number,
  ackWaitMs: number,
  signal: AbortSignal,
): Promise<Chain> {
  await sleep(ackWaitMs, signal);
  const outstanding = new Set<number>();
  let last = lastSeen;
  let stopped = false;
  stream.start(SWEEP_LIMITS);
  while (!signal.aborted) {
    await stream.available(SILENCE_MS);
    const deliveries = stream.take(SWEEP_LIMITS);
    if (deliveries.length === 0) break;
    for (const delivered of deliveries) outstanding.add(delivered.streamSequence);
    last = deliveries.at(-1)?.consumerSequence ?? last;
    if (!stopped && deliveries.some(({ deliveryCount }) => deliveryCount === 1)) {
      await stream.stop();
      stopped = true;
    }
  }
  await stream.close();
  await sleep(ackWaitMs, signal);
  return new Chain(
    last,
    [...outstanding].sort((a, b) => a - b),
  );
}

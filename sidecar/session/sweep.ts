import { sleep } from '../../common/backoff.ts';
import { DURABLE } from '../../common/contract/durable.ts';
import { TransientError } from '../../common/errors.ts';
import type { PeerStream } from '../ports.ts';
import { Chain } from '../replay/chain.ts';
import type { Delivered } from '../replay/delivered.ts';

/** As many as may be looked at together; their payloads are dropped at once. */
const SWEEP_LIMITS = { messages: 5_000, bytes: 8 * 1024 * 1024 };
/** What is handed back is due so long before it is asked for. What was not seen is due before it, so that it breaks the chain at once. */
const DUE_BEFORE_MS = 500;
/** How often to look. */
const LOOK_MS = 1_000;
/**
 * More cannot be outstanding: what a durable hands out before it is acknowledged is bounded (`max_ack_pending`), and it may come
 * once more with one pull. Without a bound, a peer's server that says that it is too old to reset could make us remember
 * sequences and ack subjects until the memory is full.
 */
export const MAX_OUTSTANDING = DURABLE.maxAckPending + DURABLE.maxBatch;
/** How long the next one that was not seen yet may take. A server can hand out the same ones for ever, and a slow line takes its time. */
export const LOOK_DEADLINE_MS = 120_000;

/**
 * Finds out what a durable has handed out without an acknowledgement, on a server that cannot reset it (before 2.14).
 *
 * Such messages come back `ack_wait` after they were handed out; if we went on at once, that would be behind newer ones. So
 * nothing is pulled until all of them are due. Then they are delivered first, and are looked at, without acknowledging any,
 * up to the first message that was never delivered before, or until the server says that it has nothing more. Now we know what is
 * outstanding, and that only we have it.
 *
 * By itself a server delivers again in the order in which it delivered: what an attempt had taken before its chain broke comes behind
 * the rest, and would break the next chain, for ever. Where that shows, all of it is handed back in the stream's order.
 *
 * It is due again after another `ack_wait`, and no sooner, also where it is handed back. By then everything is due that the server
 * has handed out up to the look and that did not reach us, behind an empty message or at another client. Otherwise that would come
 * behind newer messages, and count as replayed when those are acknowledged. The chain returned here demands exactly what was seen,
 * in the stream's order, before anything newer is taken. What was not seen breaks it, and so does another client: a new sweep
 * starts.
 *
 * @param lastSeen consumer sequence of the newest delivery known, for when nothing turns out to be outstanding
 * @throws TransientError `ChainBroken` when more comes back than {@link MAX_OUTSTANDING}, or for longer than
 *   {@link LOOK_DEADLINE_MS}
 */
export async function sweep(stream: PeerStream, lastSeen: number, signal: AbortSignal): Promise<Chain> {
  await sleep(stream.ackWaitMs, signal);
  /** By stream sequence, how the last delivery of each is answered. */
  const outstanding = new Map<number, string>();
  let deadline = performance.now() + LOOK_DEADLINE_MS;
  let last = lastSeen;
  let newest = 0;
  let isInOrder = true;
  const look = (): readonly Delivered[] => {
    const known = outstanding.size;
    const deliveries = stream.take(SWEEP_LIMITS);
    for (const { streamSequence, consumerSequence, reply } of deliveries) {
      isInOrder &&= streamSequence > newest;
      newest = streamSequence;
      outstanding.set(streamSequence, reply);
      last = consumerSequence;
    }
    if (outstanding.size > known) deadline = performance.now() + LOOK_DEADLINE_MS;
    if (outstanding.size > MAX_OUTSTANDING || performance.now() > deadline) throw tooMuchOutstanding(stream.server);
    return deliveries;
  };
  /** Whether all of it had been handed out before. Where nothing has come, something may still be on its way. */
  const mayBeMore = (deliveries: readonly Delivered[]): boolean =>
    deliveries.length > 0 ? deliveries.every(({ deliveryCount }) => deliveryCount > 1) : !stream.idle;
  stream.start(SWEEP_LIMITS);
  do await stream.available(LOOK_MS);
  while (mayBeMore(look()) && !signal.aborted);
  // What was asked for and is delivered after this look would be outstanding as well.
  if (!(await isDone(stream.stop(), deadline, signal)) && !signal.aborted) throw tooMuchOutstanding(stream.server);
  while (look().length > 0);
  const sorted = [...outstanding].sort(([a], [b]) => a - b);
  if (!isInOrder) {
    const replies = sorted.map(([, reply]) => reply);
    const handedBack = stream.handBack(replies, stream.ackWaitMs - DUE_BEFORE_MS);
    if (!(await isDone(handedBack, deadline, signal)) && !signal.aborted) throw tooMuchOutstanding(stream.server);
  }
  await stream.close();
  await sleep(stream.ackWaitMs, signal);
  return new Chain(
    last,
    sorted.map(([sequence]) => sequence),
  );
}

/** Whether something is done by the deadline. A server may never let it end. */
async function isDone(work: Promise<void>, deadline: number, signal: AbortSignal): Promise<boolean> {
  const over = new AbortController();
  try {
    const late = sleep(deadline - performance.now(), AbortSignal.any([signal, over.signal])).then(() => false);
    return await Promise.race([work.then(() => true), late]);
  } finally {
    over.abort();
  }
}

function tooMuchOutstanding(server: string): TransientError {
  return new TransientError(
    'ChainBroken',
    `${server} has more outstanding than a durable may: more than ${MAX_OUTSTANDING} messages, or for ` +
      `${LOOK_DEADLINE_MS / 1000} s no other than before. Waiting, and looking again`,
  );
}

import { DURABLE } from '../../common/contract/durable.ts';

/** An amount of messages, by number and by payload size. */
export interface Amount {
  readonly messages: number;
  readonly bytes: number;
}

/** What one pull asks for. Without `maxBytes` the server sends a message of any size, and `batch` is 1. */
export interface PullRequest {
  readonly batch: number;
  readonly maxBytes: number | undefined;
}

export interface PullState {
  /** Received and not taken yet. */
  readonly held: Amount;
  /** Asked for and not received yet. */
  readonly outstanding: Amount;
  readonly pulls: number;
  /** The next message is larger than the bytes of a whole pull. */
  readonly oversized: boolean;
  /** The most that one pull should ask for; see `PullPace`. */
  readonly most: Amount;
}

/** The durable lets few pulls wait, and the pulls of up to three owners that have stopped count until they expire. */
const MAX_PULLS = DURABLE.maxWaiting / 4;

/**
 * Decides what to pull next, or undefined when there is no room. What is held and what may still come stay within `limits`
 * whatever the backlog.
 *
 * A pull takes half of the limits at most: while one half is replayed the other half is on its way, and the line is never
 * idle. Each pull takes a share of the bytes, because the server sets a pull's bytes aside for it alone.
 *
 * A message larger than such a share would never come, and everything would wait behind it. It is pulled alone and without
 * a limit, since other pulls would only be refused meanwhile.
 *
 * @param maxBatch the largest batch that the durable allows (`max_batch`)
 */
export function nextPull(limits: Amount, maxBatch: number, state: PullState): PullRequest | undefined {
  const { held, outstanding } = state;
  if (state.oversized) {
    const room = held.messages < limits.messages && held.bytes * 2 <= limits.bytes;
    return state.pulls === 0 && room ? { batch: 1, maxBytes: undefined } : undefined;
  }
  if (state.pulls >= MAX_PULLS) return undefined;
  const largest = Math.max(1, Math.min(maxBatch, Math.floor(limits.messages / 2)));
  const share = Math.max(1, Math.floor((limits.bytes * largest) / Math.max(limits.messages, 2)));
  const batch = Math.min(largest, state.most.messages);
  const maxBytes = Math.min(share, state.most.bytes);
  const fits =
    held.messages + outstanding.messages + batch <= limits.messages &&
    held.bytes + outstanding.bytes + maxBytes <= limits.bytes;
  // With limits too small to be halved there is one pull at a time.
  const only = state.pulls === 0 && held.messages === 0;
  return fits || only ? { batch, maxBytes } : undefined;
}

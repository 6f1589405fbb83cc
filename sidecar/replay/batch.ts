/** When a batch is committed. */

export interface BatchLimits {
  readonly messages: number;
  readonly bytes: number;
  /** Milliseconds that the first message may wait for more. */
  readonly ageMs: number;
}

export interface BatchSize {
  readonly messages: number;
  readonly bytes: number;
  /** Milliseconds since the first message. */
  readonly ageMs: number;
  /** Messages that the peer's durable says it still has to deliver after the last one. */
  readonly pending: number;
}

/** Whether nothing more may be added. */
export function isFull(batch: BatchSize, limits: BatchLimits): boolean {
  return batch.messages >= limits.messages || batch.bytes >= limits.bytes;
}

/**
 * Whether to commit now rather than wait for more.
 *
 * A transaction costs about the same for one message as for hundreds. With a backlog it pays to wait for a full batch.
 * Without one, nothing more is coming soon, and waiting would only add to the latency.
 */
export function isComplete(batch: BatchSize, limits: BatchLimits): boolean {
  if (batch.messages === 0) return false;
  return batch.pending === 0 || isFull(batch, limits) || batch.ageMs >= limits.ageMs;
}

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

/**
 * Whether to commit now rather than wait for more.
 *
 * A transaction costs about the same for one message as for hundreds. With a backlog it pays to wait for a full batch;
 * without, nothing more is coming soon and waiting would only add to the latency.
 */
export function isComplete(batch: BatchSize, limits: BatchLimits): boolean {
  if (batch.messages === 0) return false;
  return (
    batch.pending === 0 ||
    batch.messages >= limits.messages ||
    batch.bytes >= limits.bytes ||
    batch.ageMs >= limits.ageMs
  );
}

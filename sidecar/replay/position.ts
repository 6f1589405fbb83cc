/**
 * How far a peer's stream has been replayed: the value of the record in the peer's position topic, written in the same
 * Kafka transaction as the records that it counts. Nothing else decides what is replayed next.
 */
export interface Position {
  readonly stream: string;
  /** The stream's identity when the position was written; null from servers before 2.15. */
  readonly identity: string | null;
  /** Last stream sequence that was replayed, skipped or rejected; 0 before the first. */
  readonly sequence: number;
  /** The time stamp of that message, in milliseconds since 1970; 0 before the first. */
  readonly time: number;
  /** The durable's consumer sequence of that message; needed where the server cannot reset. */
  readonly consumerSequence: number;
  /** Messages older than this are skipped; in milliseconds since 1970. It is `startFrom` as it was at the first take-over. */
  readonly from: number;
}

/** The record's value. JSON, so that an administrator can read it with any Kafka tool. */
export function encodePosition(position: Position): string {
  return JSON.stringify(position);
}

/**
 * Reads a record's value back.
 * @returns undefined when it is not a position, which must stop the replay, because guessing would lose or repeat messages
 */
export function decodePosition(value: string): Position | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(value);
  } catch {
    return undefined;
  }
  return isPosition(parsed) ? parsed : undefined;
}

function isPosition(value: unknown): value is Position {
  if (typeof value !== 'object' || value === null) return false;
  const { stream, identity, sequence, time, consumerSequence, from } = value as Record<string, unknown>;
  return (
    typeof stream === 'string' &&
    (identity === null || typeof identity === 'string') &&
    [sequence, time, consumerSequence, from].every((n) => Number.isSafeInteger(n) && (n as number) >= 0)
  );
}

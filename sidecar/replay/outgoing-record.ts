import type { RecordValue } from './record-value.ts';

/** A record to be written. Its key is always null, and a record that connect reads must not have headers (docs/upstream.md). */
export interface OutgoingRecord {
  readonly topic: string;
  readonly value: RecordValue;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Where a record was written. */
export interface RecordLocation {
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
}

/** The limits of a topic that exists: the largest record batch that it takes, in bytes. */
export interface TopicLimits {
  readonly maxMessageBytes: number;
}

/** A name that no topic can have here, with the reason in words: Kafka does not allow it, or it collides with another topic. */
export interface TopicRefusal {
  readonly refused: string;
}

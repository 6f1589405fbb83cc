/** How large records are in Kafka, and how large those are that topics of messages have to take. */

/** Kafka's header of a record batch. */
export const BATCH_HEADER_BYTES = 61;
/** Attributes, time stamp, offset, no key, no headers: a byte each where the record is the only one of its batch. */
const FIELDS_BYTES = 5;

/**
 * The bytes of a batch with one record that has a value and nothing else, which is what Kafka compares with max.message.bytes.
 *
 * @param valueBytes at most 2^29
 */
export function batchBytes(valueBytes: number): number {
  const record = FIELDS_BYTES + varintBytes(valueBytes) + valueBytes;
  return BATCH_HEADER_BYTES + varintBytes(record) + record;
}

/**
 * The bytes of a varint: Kafka writes a length with seven bits a byte, after it was doubled to make room for a sign.
 *
 * @param value at least 0, at most 2^30
 */
export function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value >>> 6; rest > 0; rest >>>= 7) bytes += 1;
  return bytes;
}

/** For what is in a record besides the message: `LFH_EXCEPTION`'s headers, fields that a format's record has in addition. */
const ROOM_BYTES = 64 * 1024;

/**
 * What max.message.bytes of a topic of messages has to be, so that it takes everything that is let in: the message as it is
 * (`LFH_SYNC`), as connect would write it (the topic of its format), and in base64 where it is rejected (`LFH_EXCEPTION`).
 *
 * @param maxMessageBytes the setting of that name
 */
export function neededTopicLimit(maxMessageBytes: number): number {
  return Math.ceil(maxMessageBytes / 3) * 4 + ROOM_BYTES;
}

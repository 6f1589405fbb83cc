import { crc32c } from '@node-rs/crc32';
import { BATCH_HEADER_BYTES, varintBytes } from '../replay/record-size.ts';
import { type RecordValue, writeValue } from '../replay/record-value.ts';
import { type BufferPool, POOLED_BYTES } from './buffer-pool.ts';

/** What is written into a record batch. */
export interface BatchRecord {
  readonly key: string | null;
  readonly value: RecordValue | null;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** Who writes in a transaction, as Kafka has named them. */
export interface ProducerIdentity {
  readonly producerId: bigint;
  readonly producerEpoch: number;
}

/** Where a batch is written to. */
export interface Place {
  readonly topic: string;
  readonly partition: number;
}

/** A place as the key of a map. */
export function keyOf({ topic, partition }: Place): string {
  return `${topic}:${partition}`;
}

/** A batch begins with so many bytes, and gets a buffer of the pool only when it has more. Most batches of an idle peer do not. */
const SMALL_BYTES = 16 * 1024;

/** Where the fields of the header are (https://kafka.apache.org/documentation/#recordbatch). */
const AT = {
  baseOffset: 0,
  length: 8,
  leaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  count: 57,
} as const;

/** Sequence numbers have 31 bits. */
export const SEQUENCES = 2 ** 31;

const MAGIC = 2;
/** Uncompressed, with the time that the producer says. */
const PLAIN = 0;
const TRANSACTIONAL = 0x10;
/** Unknown to a producer; Kafka fills it in. */
const NO_EPOCH = -1;

/**
 * A record batch of Kafka, format 2, for one partition. Each record is written once, straight into what is sent. It is as
 * kafkajs would write it, byte for byte.
 */
export class RecordBatch implements Place {
  readonly topic: string;
  readonly partition: number;
  /** Where Kafka has written its first record; undefined before it has said so. */
  baseOffset: bigint | undefined;
  readonly #limit: number;
  readonly #pool: BufferPool;
  readonly #timestamp: bigint;
  #buffer: Buffer = Buffer.allocUnsafeSlow(SMALL_BYTES);
  #end = BATCH_HEADER_BYTES;
  #count = 0;
  #sequence = -1;

  /**
   * @param maxBytes the largest batch that the topic takes
   * @param now milliseconds since 1970, for all of its records
   */
  constructor({ topic, partition }: Place, maxBytes: number, pool: BufferPool, now: number) {
    this.topic = topic;
    this.partition = partition;
    this.#limit = Math.min(maxBytes, POOLED_BYTES);
    this.#pool = pool;
    this.#timestamp = BigInt(now);
  }

  /** How many records it has. */
  get count(): number {
    return this.#count;
  }

  /** In milliseconds since 1970, of all of its records. */
  get timestamp(): number {
    return Number(this.#timestamp);
  }

  /** The sequence number of its last record, once it is sealed. */
  get lastSequence(): number {
    return (this.#sequence + this.#count - 1) % SEQUENCES;
  }

  /** What is sent, which is complete when it was sealed. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#end);
  }

  /**
   * Adds a record. The first is added whatever its size: that a topic takes it is checked elsewhere.
   *
   * @returns whether it is added, because there is room for it
   */
  add({ key, value, headers }: BatchRecord): boolean {
    const keyBytes = key === null ? null : Buffer.from(key, 'utf8');
    const headerTexts = headers === undefined ? [] : Object.entries(headers).flat();
    const headerBytes = headerTexts.map((text) => Buffer.from(text, 'utf8'));
    const size =
      // Attributes and the time after the first record's, which are 0.
      2 +
      varintBytes(this.#count) +
      fieldBytes(keyBytes) +
      fieldBytes(value) +
      varintBytes(headerBytes.length / 2) +
      headerBytes.reduce((sum, bytes) => sum + fieldBytes(bytes), 0);
    const end = this.#end + varintBytes(size) + size;
    if (this.#count > 0 && end > this.#limit) return false;
    this.#makeRoom(end);
    const to = this.#buffer;
    let at = writeVarint(to, this.#end, size);
    to[at++] = 0;
    to[at++] = 0;
    at = writeVarint(to, at, this.#count);
    at = writeField(to, at, keyBytes);
    if (value === null) at = writeField(to, at, null);
    else at = writeValue(value, to, writeVarint(to, at, value.length));
    at = writeVarint(to, at, headerBytes.length / 2);
    for (const bytes of headerBytes) at = writeField(to, at, bytes);
    this.#end = at;
    this.#count += 1;
    return true;
  }

  /**
   * Writes the header, after which nothing can be added.
   *
   * @param by undefined for a batch that is in no transaction
   * @param sequence of its first record, among all that this producer has written to the partition
   */
  seal(by: ProducerIdentity | undefined, sequence: number): void {
    this.#sequence = sequence;
    const header = this.#buffer;
    header.writeBigInt64BE(0n, AT.baseOffset);
    header.writeInt32BE(this.#end - AT.leaderEpoch, AT.length);
    header.writeInt32BE(NO_EPOCH, AT.leaderEpoch);
    header.writeInt8(MAGIC, AT.magic);
    header.writeInt16BE(by ? TRANSACTIONAL : PLAIN, AT.attributes);
    header.writeInt32BE(this.#count - 1, AT.lastOffsetDelta);
    header.writeBigInt64BE(this.#timestamp, AT.baseTimestamp);
    header.writeBigInt64BE(this.#timestamp, AT.maxTimestamp);
    header.writeBigInt64BE(by?.producerId ?? -1n, AT.producerId);
    header.writeInt16BE(by?.producerEpoch ?? -1, AT.producerEpoch);
    header.writeInt32BE(by ? sequence : -1, AT.baseSequence);
    header.writeInt32BE(this.#count, AT.count);
    header.writeUInt32BE(crc32c(header.subarray(AT.attributes, this.#end)), AT.crc);
  }

  /** Gives its memory back. Only when Kafka has answered: until then a socket may still read it. */
  release(): void {
    this.#pool.giveBack(this.#buffer);
    this.#buffer = NOTHING;
    this.#end = 0;
  }

  #makeRoom(bytes: number): void {
    if (bytes <= this.#buffer.length) return;
    const larger = this.#pool.take(bytes);
    this.#buffer.copy(larger, 0, 0, this.#end);
    this.#buffer = larger;
  }
}

const NOTHING = Buffer.alloc(0);

/** What a key, a value or a part of a header takes with its length in front. Null has the length -1, which is a byte. */
function fieldBytes(field: { readonly length: number } | null): number {
  return field === null ? 1 : varintBytes(field.length) + field.length;
}

function writeField(to: Buffer, at: number, field: Buffer | null): number {
  if (field === null) {
    to[at] = 1;
    return at + 1;
  }
  const begin = writeVarint(to, at, field.length);
  to.set(field, begin);
  return begin + field.length;
}

/** @param value at least 0, at most 2^30 @returns the place behind it */
function writeVarint(to: Buffer, at: number, value: number): number {
  let end = at;
  let rest = value * 2;
  for (; rest > 0x7f; rest >>>= 7) to[end++] = (rest & 0x7f) | 0x80;
  to[end++] = rest;
  return end;
}

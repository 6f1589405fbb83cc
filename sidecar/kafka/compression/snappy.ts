import { CorruptBatchError, Output } from './output.ts';

/** What Java's library writes in front of its chunks: this, and two versions of four bytes. */
const JAVA = Buffer.from([0x82, ...Buffer.from('SNAPPY'), 0]);
const JAVA_HEADER_BYTES = 16;

/**
 * Decompresses Snappy (github.com/google/snappy, format_description.txt), as Kafka's Java writes it, in chunks with their lengths in
 * front, or as others do, as one. It does so in pieces: others have a turn at each `yield`.
 *
 * @throws CorruptBatchError where it is none
 */
export function* decompressSnappy(bytes: Buffer): Generator<void, Buffer> {
  const output = new Output(bytes.length * 4);
  if (!bytes.subarray(0, JAVA.length).equals(JAVA)) yield* decompressChunk(bytes, output);
  else {
    for (let at = JAVA_HEADER_BYTES; at + 4 <= bytes.length; ) {
      const length = bytes.readUInt32BE(at);
      yield* decompressChunk(bytes.subarray(at + 4, at + 4 + length), output);
      at += 4 + length;
    }
  }
  return output.bytes;
}

/** What the two lowest bits of an element's first byte say. */
const KIND = { plain: 0, near: 1, far: 2 };
/** Lengths of plain bytes from here on are in the bytes behind the first. */
const LONG = 60;

function* decompressChunk(chunk: Buffer, output: Output): Generator<void, void> {
  const before = output.bytes.length;
  let at = 0;
  let size = 0;
  // The length comes first, in groups of seven bits, the lowest first.
  for (let shift = 0; ; shift += 7, at += 1) {
    const group = chunk[at] ?? 0;
    size += (group & 0x7f) * 2 ** shift;
    if (!(group & 0x80)) break;
  }
  at += 1;
  while (at < chunk.length) {
    const first = chunk[at] as number;
    at += 1;
    const kind = first & 3;
    const upper = first >> 2;
    if (kind === KIND.plain) {
      const more = upper < LONG ? 0 : upper - LONG + 1;
      const length = (more === 0 ? upper : readNumber(chunk, at, more)) + 1;
      output.append(chunk, at + more, length);
      at += more + length;
    } else if (kind === KIND.near) {
      output.repeat(((upper >> 3) << 8) | readNumber(chunk, at, 1), (upper & 7) + 4);
      at += 1;
    } else {
      const bytes = kind === KIND.far ? 2 : 4;
      output.repeat(readNumber(chunk, at, bytes), upper + 1);
      at += bytes;
    }
    if (output.endsPiece()) yield;
  }
  // Of a chunk that is too short, kafkajs would drop the last record without a word.
  if (output.bytes.length - before !== size) throw new CorruptBatchError('a compressed record batch ends too soon');
}

function readNumber(chunk: Buffer, at: number, size: number): number {
  if (at + size > chunk.length) throw new CorruptBatchError('a compressed record batch ends too soon');
  return chunk.readUIntLE(at, size);
}

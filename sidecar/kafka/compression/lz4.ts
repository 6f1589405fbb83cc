import { CorruptBatchError, Output } from './output.ts';

const MAGIC = 0x184d2204;
/** In the frame's first byte. */
const FLAGS = { hasDictionary: 0x01, hasSize: 0x08, hasBlockChecksums: 0x10 };
/** In the size of a block. */
const IS_PLAIN = 0x80000000;
/** A length that has this value goes on in the bytes behind it. */
const GOES_ON = 15;
const SHORTEST_REPEAT = 4;

/**
 * Decompresses a frame of LZ4 (the frame format of github.com/lz4/lz4), in pieces: others have a turn at each `yield`. Checksums
 * are not looked at: TCP and Kafka have their own.
 *
 * @throws CorruptBatchError where it is none
 */
export function* decompressLz4(frame: Buffer): Generator<void, Buffer> {
  if (frame.length < 7 || frame.readUInt32LE(0) !== MAGIC) throw new CorruptBatchError('a record batch is not LZ4');
  const flags = frame[4] as number;
  const output = new Output(frame.length * 4);
  let at = 4 + 2 + (flags & FLAGS.hasSize ? 8 : 0) + (flags & FLAGS.hasDictionary ? 4 : 0) + 1;
  for (;;) {
    if (at + 4 > frame.length) throw new CorruptBatchError('a compressed record batch ends too soon');
    const size = frame.readUInt32LE(at);
    at += 4;
    if (size === 0) return output.bytes;
    const length = size % IS_PLAIN;
    if (size >= IS_PLAIN) output.append(frame, at, length);
    else yield* decompressBlock(frame.subarray(at, at + length), output);
    at += length + (flags & FLAGS.hasBlockChecksums ? 4 : 0);
    if (output.endsPiece()) yield;
  }
}

/** A block has sequences: some bytes as they are, and then something to repeat. The last has no repeat. */
function* decompressBlock(block: Buffer, output: Output): Generator<void, void> {
  for (let at = 0; at < block.length; ) {
    const token = block[at] as number;
    const plain = readLength(block, at + 1, token >> 4);
    output.append(block, plain.end, plain.length);
    at = plain.end + plain.length;
    if (at >= block.length) return;
    if (at + 2 > block.length) throw new CorruptBatchError('a compressed record batch ends too soon');
    const distance = block.readUInt16LE(at);
    const repeated = readLength(block, at + 2, token & 0x0f);
    output.repeat(distance, repeated.length + SHORTEST_REPEAT);
    at = repeated.end;
    if (output.endsPiece()) yield;
  }
}

function readLength(block: Buffer, start: number, first: number): { readonly length: number; readonly end: number } {
  let length = first;
  let at = start;
  // Behind the block there is 0.
  for (let more = first === GOES_ON ? 255 : 0; more === 255; at += 1) {
    more = block[at] ?? 0;
    length += more;
  }
  return { length, end: at };
}

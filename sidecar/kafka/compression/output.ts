/** Thrown for bytes that are not what their record batch says that they are. */
export class CorruptBatchError extends Error {
  override readonly name = 'CorruptBatchError';
}

/** More than any topic takes: what is decompressed is a record batch. */
export const MOST_BYTES = 256 * 1024 * 1024;

/** Up to here a loop over the bytes takes less time than a call that copies them. Compressed text has millions of such pieces. */
const SHORT_BYTES = 32;

/** The worst that is hostile takes about 5 ms for it. */
const PIECE_BYTES = 256 * 1024;

/** What is decompressed, which grows, and of which a part may be repeated. */
export class Output {
  #bytes: Buffer;
  #length = 0;
  #pieceBegan = 0;

  /** @param bytes how many are expected; there may be more */
  constructor(bytes: number) {
    this.#bytes = Buffer.allocUnsafe(Math.min(bytes, MOST_BYTES));
  }

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Whether a piece is complete, after which others should have a turn. With it, the next piece begins. */
  endsPiece(): boolean {
    const isComplete = this.#length - this.#pieceBegan >= PIECE_BYTES;
    if (isComplete) this.#pieceBegan = this.#length;
    return isComplete;
  }

  /** Appends a part of another text. */
  append(from: Uint8Array, start: number, count: number): void {
    if (start + count > from.length) throw new CorruptBatchError('a compressed record batch ends too soon');
    this.#makeRoom(count);
    if (count <= SHORT_BYTES) {
      for (let at = 0; at < count; at += 1) this.#bytes[this.#length + at] = from[start + at] as number;
    } else this.#bytes.set(from.subarray(start, start + count), this.#length);
    this.#length += count;
  }

  /** Appends again what is `distance` bytes before the end. It may run into what it appends. */
  repeat(distance: number, count: number): void {
    if (distance === 0 || distance > this.#length) {
      throw new CorruptBatchError('a compressed record batch repeats what it does not have');
    }
    this.#makeRoom(count);
    const from = this.#length - distance;
    if (count <= SHORT_BYTES) {
      for (let at = 0; at < count; at += 1) this.#bytes[this.#length + at] = this.#bytes[from + at] as number;
    } else this.#repeatInPieces(from, distance, count);
    this.#length += count;
  }

  /** Each piece doubles what can be repeated. */
  #repeatInPieces(from: number, distance: number, count: number): void {
    for (let done = 0; done < count; ) {
      const piece = Math.min(count - done, distance + done);
      this.#bytes.copyWithin(this.#length + done, from, from + piece);
      done += piece;
    }
  }

  #makeRoom(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    if (needed > MOST_BYTES) throw new CorruptBatchError('a compressed record batch is larger than any can be');
    const larger = Buffer.allocUnsafe(Math.min(MOST_BYTES, Math.max(needed, this.#bytes.length * 2)));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

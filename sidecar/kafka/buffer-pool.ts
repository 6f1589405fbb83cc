/** The bytes of a buffer of the pool. A record batch grows no further, but for a single record that is larger. */
export const POOLED_BYTES = 1024 * 1024;
/** So many are kept for later. Two transactions of one peer, as large as they are by default, have about as many. */
const KEPT = 32;

/** Buffers for record batches that are used again, since new memory costs more than what is written into it. */
export class BufferPool {
  readonly #free: Buffer[] = [];

  /** A buffer with anything in it. @returns one of at least `bytes` */
  take(bytes: number): Buffer {
    if (bytes > POOLED_BYTES) return Buffer.allocUnsafeSlow(bytes);
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(POOLED_BYTES);
  }

  /** Gives a buffer back that nobody reads any more, a socket neither. One that is of no use to others is left to the engine. */
  giveBack(buffer: Buffer): void {
    if (buffer.length === POOLED_BYTES && this.#free.length < KEPT) this.#free.push(buffer);
  }
}

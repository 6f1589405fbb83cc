/** Payloads of up to half of it share one buffer. Larger ones have a buffer of their own. */
const SLAB_BYTES = 64 * 1024;

/**
 * Keeps the payloads of one connection's messages, each in about as much memory as it has bytes.
 *
 * A payload as it comes is a view, of the TLS record that it came in or of a buffer that is used again. It may be a thousandth of
 * that, and a server could make us hold thousands of times as much as we count. So it is copied. Small ones are put side by side,
 * because a buffer for each takes longer than the copying. Only what is kept may be put here: what was thrown away would be held
 * by its neighbours.
 */
export class PayloadStore {
  #slab = Buffer.alloc(0);
  #used = 0;

  /** @returns a copy, or the payload itself where it is all that its buffer holds */
  keep(payload: Buffer): Buffer {
    const { length } = payload;
    if (length === payload.buffer.byteLength) return payload;
    if (length * 2 > SLAB_BYTES) return copyInto(Buffer.allocUnsafeSlow(length), payload);
    if (this.#used + length > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.#used = 0;
    }
    this.#used += length;
    return copyInto(this.#slab.subarray(this.#used - length, this.#used), payload);
  }
}

function copyInto(target: Buffer, payload: Buffer): Buffer {
  target.set(payload);
  return target;
}

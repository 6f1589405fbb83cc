import type { Received } from '../ports.ts';
import type { Amount } from './pull-plan.ts';

/** Messages that were received and not taken yet, in order. */
export class DeliveredBuffer {
  #messages: Received[] = [];
  #taken = 0;
  #bytes = 0;

  get held(): Amount {
    return { messages: this.length, bytes: this.#bytes };
  }

  get length(): number {
    return this.#messages.length - this.#taken;
  }

  get bytes(): number {
    return this.#bytes;
  }

  push(delivered: Received): void {
    this.#messages.push(delivered);
    this.#bytes += delivered.payload.byteLength;
  }

  /** Removes messages up to `limits`, but at least one if there is one, so that a large message cannot stop everything. */
  take(limits: Amount): Received[] {
    const first = this.#taken;
    let bytes = 0;
    while (this.#taken < this.#messages.length) {
      const size = (this.#messages[this.#taken] as Received).payload.byteLength;
      const count = this.#taken - first;
      if (count > 0 && (count >= limits.messages || bytes + size > limits.bytes)) break;
      bytes += size;
      this.#taken += 1;
    }
    this.#bytes -= bytes;
    const taken = this.#messages.slice(first, this.#taken);
    // The array is cut only when most of it was taken, because cutting costs as much as what is left.
    if (this.#taken * 2 >= this.#messages.length) {
      this.#messages = this.#messages.slice(this.#taken);
      this.#taken = 0;
    }
    return taken;
  }

  clear(): void {
    this.#messages = [];
    this.#taken = 0;
    this.#bytes = 0;
  }
}

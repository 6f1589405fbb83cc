import { TransientError } from '../../common/errors.ts';
import type { Delivered } from './delivered.ts';

/** Thrown when a delivery is not the next of its chain, or when the next ones are known to be missing. */
export class ChainBrokenError extends TransientError {
  constructor(delivered: Delivered) {
    const { consumerSequence, streamSequence, cutOff } = delivered;
    const what = cutOff
      ? `message ${streamSequence} is empty, and what the server handed out after it got lost`
      : `delivery ${consumerSequence} (stream sequence ${streamSequence}) does not follow the one before: another process ` +
        'was handed messages of ours';
    super('ChainBroken', `${what}. Starting again from the position`);
  }
}

/**
 * Demands an unbroken chain of deliveries.
 *
 * A durable counts every delivery it makes, to any client. Where the count jumps, another client was handed messages of
 * ours: the pull that a stopped process left waiting at the server swallows them even after a reset (41 of 90 when
 * tried). Stream sequences cannot show it, since a filtered subject leaves gaps in them anyway.
 *
 * A server that cannot reset may redeliver, in any order, what an earlier owner was handed and did not commit. There,
 * `outstanding` lists the messages that must come first, and their order: a message that came after a newer one had been
 * committed would be taken for an old one.
 */
export class Chain {
  #last: number;
  readonly #outstanding: readonly number[];
  #settled = 0;
  #begun = false;

  /**
   * @param last consumer sequence of the delivery before the first; 0 after a reset
   * @param outstanding stream sequences, ascending
   */
  constructor(last: number, outstanding: readonly number[] = []) {
    this.#last = last;
    this.#outstanding = outstanding;
  }

  /** Consumer sequence of the newest delivery seen, whether it was the next of the chain or not. */
  get last(): number {
    return this.#last;
  }

  /** Whether a delivery has been accepted. */
  get begun(): boolean {
    return this.#begun;
  }

  /** Whether the delivery is the next of the chain. */
  accept(delivered: Delivered): boolean {
    const follows = delivered.consumerSequence === this.#last + 1;
    this.#last = delivered.consumerSequence;
    if (!follows) return false;
    this.#begun = true;
    const due = this.#outstanding[this.#settled];
    if (due === undefined) return true;
    this.#settled += 1;
    return delivered.streamSequence === due;
  }
}

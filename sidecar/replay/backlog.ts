/**
 * How many messages of a peer are not replayed yet: those that its durable has not delivered, and those that were delivered
 * and are not committed.
 *
 * The durable says with each delivery, and with its answer to a reset, how many it has not delivered. Between two deliveries
 * this number stands: an empty buffer says nothing about what is on its way. Where no number was ever given, nothing is known.
 */
export class Backlog {
  #undelivered: number | null;
  #uncommitted = 0;

  /** @param undelivered what the durable has to deliver after the position; null when that is not known */
  constructor(undelivered: number | null) {
    this.#undelivered = undelivered;
  }

  /** Messages that are not replayed yet; null when that is not known. */
  get lag(): number | null {
    return this.#undelivered === null ? null : this.#undelivered + this.#uncommitted;
  }

  /** Notes one more message that was taken from the stream. @param pending what the durable had to deliver after it */
  delivered(pending: number): void {
    this.#undelivered = pending;
    this.#uncommitted += 1;
  }

  /** Notes that the oldest `count` of the delivered messages were committed. */
  committed(count: number): void {
    this.#uncommitted -= count;
  }
}

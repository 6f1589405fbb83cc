import { keyOf, type Place, SEQUENCES } from './record-batch.ts';

/**
 * The sequence numbers by which Kafka knows a producer's records in each partition, and drops what comes twice. They are given
 * out once and never taken back. So after a failure a batch is sent again with the numbers that it had, or the producer ends.
 */
export class Sequences {
  readonly #next = new Map<string, number>();

  /** @returns the number of the first of `count` more records; after 2^31 - 1 comes 0 */
  take(place: Place, count: number): number {
    const key = keyOf(place);
    const first = this.#next.get(key) ?? 0;
    this.#next.set(key, (first + count) % SEQUENCES);
    return first;
  }
}

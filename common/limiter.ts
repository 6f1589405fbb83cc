/** Lets only so many pieces of work go on at once; the others wait, and begin in the order in which they came. */
export class Limiter {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  /** @param most how many go on at the same time */
  constructor(most: number) {
    this.#free = most;
  }

  /** Does the work as soon as it may begin. @throws what it throws */
  async run<Value>(work: () => Promise<Value>): Promise<Value> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free += 1;
    }
  }
}

/** Lets so many work at a time, and none with what another one uses. Who came first is first, unless it would have to wait. */
export class Turns {
  readonly #most: number;
  readonly #inUse = new Set<string>();
  readonly #waiting: (() => boolean)[] = [];
  #busy = 0;

  constructor(most: number) {
    this.#most = most;
  }

  async take<Result>(things: readonly string[], work: () => Promise<Result>): Promise<Result> {
    await new Promise<void>((resolve) => {
      this.#waiting.push(() => {
        if (this.#busy >= this.#most || things.some((thing) => this.#inUse.has(thing))) return false;
        this.#busy += 1;
        for (const thing of things) this.#inUse.add(thing);
        resolve();
        return true;
      });
      this.#next();
    });
    try {
      return await work();
    } finally {
      this.#busy -= 1;
      for (const thing of things) this.#inUse.delete(thing);
      this.#next();
    }
  }

  #next(): void {
    for (const begins of this.#waiting.slice()) {
      if (begins()) this.#waiting.splice(this.#waiting.indexOf(begins), 1);
    }
  }
}

/**
 * What waits for answers over a connection, so that all of it ends when the connection does.
 *
 * It is not one promise that all waits race with. As long as that is open, it would hold on to what every one of them resolved with,
 * so that the memory of a connection that lives for weeks grows with each request.
 */
export class Waits {
  readonly #endings = new Set<(error: unknown) => void>();
  #over: (() => unknown) | undefined;

  /** Resolves as `work` does. @throws what `work` throws; or the error of {@link end}, at once, also where that came before */
  async until<Value>(work: Promise<Value>): Promise<Value> {
    const { promise, resolve, reject } = Promise.withResolvers<Value>();
    this.#endings.add(reject);
    work.then(resolve, reject);
    if (this.#over) reject(this.#over());
    try {
      return await promise;
    } finally {
      this.#endings.delete(reject);
    }
  }

  /** Ends all waits, those that begin later as well. Only the first call counts. @param why makes the error of each */
  end(why: () => unknown): void {
    this.#over ??= why;
    for (const reject of this.#endings) reject(this.#over());
  }
}

/**
 * Work that is long is done in pieces, with turns of the event loop between them. All that a process does shares one thread: while a
 * piece runs, everybody else waits. So the pieces of all are counted together: ten who each do one piece in a turn keep the others
 * waiting ten times as long as one does.
 */

/** Those who wait for their turn, the longest first. */
const waiting: (() => void)[] = [];

/** Resolves in a later turn of the event loop. In each turn, one of those who wait goes on. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (waiting.length === 1) setImmediate(letOneGoOn);
  });
}

function letOneGoOn(): void {
  waiting.shift()?.();
  if (waiting.length > 0) setImmediate(letOneGoOn);
}

/** Does work with a turn of the event loop at each of its `yield`s. */
export async function inTurns<Result>(work: Generator<void, Result>): Promise<Result> {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
    await nextTurn();
  }
}

/** So much time may be spent in one turn of the event loop, by all together who share it. */
export class TurnBudget {
  readonly #ms: number;
  #spent = 0;

  /** @param ms in milliseconds */
  constructor(ms: number) {
    this.#ms = ms;
  }

  /** @param ms what something took, in milliseconds */
  spend(ms: number): void {
    if (this.#spent === 0) setImmediate(() => (this.#spent = 0));
    this.#spent += ms;
  }

  get isSpent(): boolean {
    return this.#spent > this.#ms;
  }
}

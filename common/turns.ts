import { setImmediate } from 'node:timers/promises';

/** Does work with a turn of the event loop at each of its `yield`s. */
export async function inTurns<Result>(work: Generator<void, Result>): Promise<Result> {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
    await setImmediate();
  }
}

/**
 * So many large transactions are under way at a time. Two keep Kafka at work: while it writes one, the next arrives. More of them
 * are no faster together, and a small one would wait behind them all.
 */
const AT_ONCE = 2;
/** What is smaller waits for nobody. */
const LARGE_BYTES = 64 * 1024;
/**
 * So long a large transaction keeps others waiting after Kafka has last answered it. One that Kafka does not answer must not stop
 * them: the leader of one of its topics may be gone. One that it does answer keeps its place, however slow Kafka is: if all went
 * at once, each would take longer than Kafka lets a transaction last, and all would be aborted.
 */
const KEEPS_MS = 1_000;

/** A transaction's place among the large ones. */
export interface LargePlace {
  /** Kafka has answered something of the transaction: it keeps the place for longer. A place that is lost stays so. */
  answered(): void;
  /** Ends it. Done twice it is done once. */
  leave(): void;
}

/** Of a transaction that keeps nobody waiting. */
export const NO_PLACE: LargePlace = { answered: () => undefined, leave: () => undefined };

/**
 * Lets large transactions go in the order in which they come, a few at a time. All peers of a sidecar share one Kafka: when ten of
 * them send all that they have, the few messages of an eleventh would wait there behind 80 MB.
 */
export class LargeTransactions {
  readonly #keepsMs: number;
  readonly #waiting: (() => void)[] = [];
  #underWay = 0;

  /** @param keepsMs after which, without an answer of Kafka, the next one goes although this one has not ended */
  constructor(keepsMs = KEEPS_MS) {
    this.#keepsMs = keepsMs;
  }

  /** Resolves when a transaction may begin: at once for a small one. @param bytes of all its records */
  async enter(bytes: number): Promise<LargePlace> {
    if (bytes < LARGE_BYTES) return NO_PLACE;
    if (this.#underWay < AT_ONCE) this.#underWay += 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    let hasLeft = false;
    const leave = (): void => {
      if (hasLeft) return;
      hasLeft = true;
      clearTimeout(timer);
      this.#letNextGo();
    };
    const timer = setTimeout(leave, this.#keepsMs).unref();
    return { answered: () => void timer.refresh(), leave };
  }

  /** The next one takes the place of the one that has left. */
  #letNextGo(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#underWay -= 1;
  }
}

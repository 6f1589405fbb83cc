import type { Amount } from './pull-plan.ts';

/** How a pull went, as far as the next ones depend on it. */
export interface PullRecord {
  /** How much the pull asked for. 0 bytes for a pull that took a message of any size. */
  readonly asked: Amount;
  /** How many bytes of messages it brought. */
  readonly bytes: number;
  /** From the request to the last message, in milliseconds. */
  readonly elapsedMs: number;
  /** Whether the server always had more to send while it answered this pull, so that the line set the speed. */
  readonly backlog: boolean;
}

/** So many messages in a row must come before a pull asks for more than one. */
const CALM_MESSAGES = 32;
/** What the first pulls ask for, and the least: four of these take under three seconds at 100 KB/s. */
const MIN_BYTES = 64 * 1024;
/** A pull that was answered faster than this may be followed by a larger one. */
const QUICK_MS = 1_000;
/** A pull that took longer than this is followed by a smaller one, if the line was what it waited for. */
const SLOW_MS = 3_000;

/**
 * How much one pull asks for. It follows what the line carries and what the stream holds (ADR 0022).
 *
 * Bytes follow the speed of the line. What is asked for at once must be delivered within seconds: nats-server closes a
 * connection on which one write takes longer than its `write_deadline` (10 s), and heartbeats wait behind messages.
 *
 * Messages follow what an empty message does. nats-server takes an empty body for the end of all answers to a request that
 * crosses accounts (`client.go`, `processServiceImport`), so whatever the durable hands to the same pull after an empty
 * message reaches nobody. A pull for one message has nothing to lose. So pulls begin with one message, and so they do
 * again after an empty one, and they grow only after a number of messages that were not empty.
 */
export class PullPace {
  #messages: number;
  #bytes: number;
  #calm = 0;

  /**
   * @param gradual false to begin with pulls as large as there is room for. So it is with a server that cannot reset: a sweep
   *   (ADR 0008) has to look at all that is outstanding before any of it is due again
   */
  constructor(gradual = true) {
    this.#messages = gradual ? 1 : Number.MAX_SAFE_INTEGER;
    this.#bytes = gradual ? MIN_BYTES : Number.MAX_SAFE_INTEGER;
  }

  /** The most that the next pull should ask for. */
  get most(): Amount {
    return { messages: this.#messages, bytes: this.#bytes };
  }

  /** Notes a message that came. @param bytes 0 for one that ends its pull */
  received(bytes: number): void {
    if (bytes === 0) {
      this.#calm = 0;
      this.#messages = 1;
    } else this.#calm += 1;
  }

  /** Notes a pull that brought all it asked for, or as much as fitted. */
  answered({ asked, bytes, elapsedMs, backlog }: PullRecord): void {
    if (this.#calm >= CALM_MESSAGES && asked.messages === this.#messages) this.#messages *= 2;
    if (elapsedMs < QUICK_MS && bytes * 2 >= Math.min(asked.bytes, this.#bytes)) this.#bytes *= 2;
    if (elapsedMs > SLOW_MS && backlog) this.#bytes = Math.max(MIN_BYTES, this.#bytes / 2);
  }
}

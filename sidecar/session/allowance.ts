import type { ReceiveLimits } from '../../common/contract/peers.ts';
import { TransientError } from '../../common/errors.ts';

const DAY_MS = 86_400_000;
/** Of a peer that may bring so many messages a second, so many seconds' worth is asked for: less than `ack_wait`. */
const AHEAD_SECONDS = 5;

/** Ends a session whose peer has brought all that it may bring in a day. It is no failure. */
export class ThrottledError extends TransientError {
  /** Milliseconds since 1970. */
  readonly until: number;

  constructor(until: number, bytesPerDay: number) {
    const time = new Date(until).toISOString();
    super(
      'Throttled',
      `has brought the ${bytesPerDay} bytes that spec.receive.limits.bytesPerDay allows for a day. The rest waits at the peer, and ` +
        `is replayed from ${time} on`,
    );
    this.until = until;
  }
}

/**
 * What one peer may still bring, where `spec.receive.limits` bounds it. What it may not bring is not asked for, and waits in its
 * own stream. It is counted in this process: after a restart, and where another sidecar takes the peer over, the day begins anew.
 */
export class Allowance {
  #limits: ReceiveLimits = {};
  /** Messages that may be taken now, as of {@link #at}. */
  #messages = 1;
  #at = performance.now();
  #day = 0;
  #bytes = 0;

  /** @param limits those in force from now on; what was taken today still counts */
  apply(limits: ReceiveLimits | undefined): this {
    this.#limits = limits ?? {};
    return this;
  }

  /** How many messages may be held and be on their way, of `messages` without limits. */
  ahead(messages: number): number {
    const { messagesPerSecond } = this.#limits;
    return messagesPerSecond === undefined ? messages : Math.min(messages, messagesPerSecond * AHEAD_SECONDS);
  }

  /** How many messages may be taken now. At most those of one second have been saved up. */
  get messages(): number {
    const { messagesPerSecond } = this.#limits;
    if (messagesPerSecond === undefined) return Number.POSITIVE_INFINITY;
    const now = performance.now();
    const earned = ((now - this.#at) / 1000) * messagesPerSecond;
    this.#messages = Math.min(messagesPerSecond, this.#messages + earned);
    this.#at = now;
    return Math.max(0, Math.floor(this.#messages));
  }

  /** Notes a message that was taken. @param now milliseconds since 1970 */
  took(bytes: number, now: number): void {
    this.#messages -= 1;
    const day = Math.floor(now / DAY_MS);
    if (day !== this.#day) this.#bytes = 0;
    this.#day = day;
    this.#bytes += bytes;
  }

  /** Why nothing may be taken any more today (in UTC). @param now milliseconds since 1970 */
  findUsedUp(now: number): ThrottledError | undefined {
    const { bytesPerDay } = this.#limits;
    if (bytesPerDay === undefined || Math.floor(now / DAY_MS) !== this.#day || this.#bytes < bytesPerDay)
      return undefined;
    return new ThrottledError((this.#day + 1) * DAY_MS, bytesPerDay);
  }
}

import { TRANSMIT_SKIP_REASONS, type TransmitReason } from '../../common/contract/transmit-reasons.ts';
import type { TransmitStatus } from '../../common/contract/transmit-status.ts';
import { zeroes } from '../../common/counts.ts';
import type { Settled } from '../transmit/round.ts';
import type { Pending } from '../transmit/state.ts';
import type { ServerMetrics } from './metrics.ts';

/** What is reported about one server, in `/status` and in `/metrics`. It is kept in one place so that the two agree. */
export class ServerReport {
  readonly metrics: ServerMetrics;
  #status: TransmitStatus;
  /** As far as the present take-over has counted. */
  #expired = 0;

  constructor(url: string, metrics: ServerMetrics) {
    this.metrics = metrics;
    this.#status = {
      url,
      owned: false,
      reason: 'Starting',
      message: '',
      since: new Date().toISOString(),
      lag: null,
      pending: null,
      oldestPending: null,
      lastSuccess: null,
      delivered: 0,
      failed: 0,
      skipped: zeroes(TRANSMIT_SKIP_REASONS),
      refused: 0,
      givenUp: 0,
      expired: 0,
      lastError: null,
    };
  }

  get status(): TransmitStatus {
    return this.#status;
  }

  /** Sets the state that the transmission is in. `since` moves only when the reason changes. */
  state(reason: TransmitReason, message: string): void {
    const since = reason === this.#status.reason ? this.#status.since : new Date().toISOString();
    this.#update({ reason, message, since });
    if (this.#status.owned) this.metrics.up(reason === 'Transmitting');
  }

  /** Sets whether this sidecar transmits to the server. One that does not knows neither the lag nor what waits. */
  owned(owned: boolean): void {
    if (this.#status.owned && !owned) this.released();
    this.#update({ owned });
  }

  /** What is known of Kafka's topics is known no more. */
  released(): void {
    this.#update({ lag: null, pending: null, oldestPending: null });
    this.metrics.up(undefined);
  }

  /** What waits now, and what was seen of LFH_SYNC. */
  progress(lag: number, pending: readonly Pending[], expired: number): void {
    const oldest = pending.length === 0 ? undefined : Math.min(...pending.map(({ since }) => since));
    if (expired > this.#expired) {
      this.metrics.expired(expired - this.#expired);
      this.#update({ expired: this.#status.expired + expired - this.#expired });
    }
    this.#expired = expired;
    const oldestPending = oldest === undefined ? null : new Date(oldest).toISOString();
    this.#update({ lag, pending: pending.length, oldestPending });
    this.metrics.lag(lag);
    this.metrics.pending(pending.length, oldest);
  }

  /** A round was committed. @param now milliseconds since 1970 */
  settled({ delivered, failed, undelivered, skipped, failure }: Settled, now: number): void {
    const time = new Date(now).toISOString();
    const counts = { ...this.#status.skipped };
    for (const [reason, count] of skipped) {
      counts[reason] += count;
      this.metrics.skipped(reason, count);
    }
    for (const { reason } of undelivered) this.metrics.undelivered(reason);
    const givenUp = undelivered.filter(({ reason }) => reason === 'TransmitGivenUp').length;
    const refusal = undelivered.at(-1);
    // What the server says of a resource may quote it, and stays in LFH_EXCEPTION.
    const error =
      failure?.detail ??
      (refusal &&
        `${refusal.reason}${refusal.status === null ? '' : `: it answers ${refusal.status}`}; see LFH_EXCEPTION`);
    this.#update({
      delivered: this.#status.delivered + delivered,
      failed: this.#status.failed + failed,
      skipped: counts,
      givenUp: this.#status.givenUp + givenUp,
      refused: this.#status.refused + undelivered.length - givenUp,
      ...(delivered > 0 && { lastSuccess: time }),
      ...(error !== undefined && { lastError: { time, message: error } }),
    });
    this.metrics.delivered(delivered);
    this.metrics.failed(failed);
  }

  /** A take-over begins to count what expired anew. */
  takenOver(): void {
    this.#expired = 0;
  }

  /** Something that nobody foresaw stopped the transmission. */
  internalError(message: string): void {
    this.metrics.internalError();
    this.state('InternalError', message);
  }

  #update(change: Partial<TransmitStatus>): void {
    this.#status = { ...this.#status, ...change };
  }
}

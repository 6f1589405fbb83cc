import {
  ANNOUNCE_LOSSES,
  type AnnounceLoss,
  type AnnounceReason,
  type AnnounceStatus,
} from '../../common/contract/announce-status.ts';
import { zeroes } from '../../common/counts.ts';
import type { AnnounceMetrics } from './metrics.ts';

/** What is reported about the announcements, in `/status` and in `/metrics`. It is kept in one place so that the two agree. */
export class AnnounceReport {
  readonly #metrics: AnnounceMetrics;
  #status: AnnounceStatus;
  /** As far as the present take-over has counted. */
  #expired = 0;

  constructor(metrics: AnnounceMetrics) {
    this.#metrics = metrics;
    this.#status = {
      owned: false,
      reason: 'Starting',
      message: '',
      since: new Date().toISOString(),
      lag: null,
      announced: 0,
      lost: zeroes(ANNOUNCE_LOSSES),
    };
  }

  get status(): AnnounceStatus {
    return this.#status;
  }

  /** Sets the state that the announcements are in. `since` moves only when the reason changes. */
  state(reason: AnnounceReason, message: string): void {
    const since = reason === this.#status.reason ? this.#status.since : new Date().toISOString();
    this.#update({ reason, message, since });
    this.#metrics.up(this.#status.owned ? reason === 'Announcing' : undefined);
  }

  /** Sets whether this sidecar announces. One that does not knows no lag. */
  owned(owned: boolean): void {
    this.#update({ owned });
    if (owned) return;
    this.released();
    // Whoever announces now has this series. What is being ended here may take seconds.
    this.#metrics.up(undefined);
  }

  /** A take-over begins to count what expired anew. */
  takenOver(): void {
    this.#expired = 0;
  }

  /** What is known of Kafka's topics is known no more. */
  released(): void {
    this.#update({ lag: null });
    this.#metrics.lag(null);
  }

  /** What was seen of LFH_SYNC. @param expired since the take-over */
  progress(lag: number, expired: number): void {
    this.#update({ lag });
    this.#metrics.lag(lag);
    this.lost('Expired', expired - this.#expired);
    this.#expired = expired;
  }

  announced(count: number): void {
    this.#update({ announced: this.#status.announced + count });
    this.#metrics.announced(count);
  }

  lost(reason: AnnounceLoss, count: number): void {
    if (count === 0) return;
    const { lost } = this.#status;
    this.#update({ lost: { ...lost, [reason]: lost[reason] + count } });
    this.#metrics.lost(reason, count);
  }

  #update(change: Partial<AnnounceStatus>): void {
    this.#status = { ...this.#status, ...change };
  }
}

import { REJECT_REASONS, type Reason, SKIP_REASONS } from '../../common/contract/reasons.ts';
import type { PeerStatus, RedriveStatus } from '../../common/contract/status.ts';
import { zeroes } from '../../common/counts.ts';
import type { PeerStream } from '../ports.ts';
import { type BatchPlan, countRejections } from '../replay/batch-plan.ts';
import type { Position } from '../replay/position.ts';
import { advanceRejections, NO_REJECTIONS, rejectedRun } from '../replay/rejected-run.ts';
import type { PeerMetrics } from './metrics.ts';

/** What is reported about one peer, in `/status` and in `/metrics`. It is kept in one place so that the two agree. */
export class PeerReport {
  readonly #metrics: PeerMetrics;
  #status: PeerStatus;
  #rejections = NO_REJECTIONS;

  constructor(peer: { readonly name: string; readonly lfhId: string }, metrics: PeerMetrics) {
    this.#metrics = metrics;
    this.#status = {
      name: peer.name,
      lfhId: peer.lfhId,
      owned: false,
      reason: 'Starting',
      message: '',
      since: new Date().toISOString(),
      server: null,
      key: null,
      certificateExpires: null,
      position: null,
      digest: null,
      lag: null,
      replayed: 0,
      skipped: zeroes(SKIP_REASONS),
      rejected: zeroes(REJECT_REASONS),
      rejectedRun: null,
      lastReplayTime: null,
      redrive: null,
      gaps: 0,
      streamRecreated: 0,
    };
  }

  get status(): PeerStatus {
    return this.#status;
  }

  /** Sets the state that the peer is in. `since` moves only when the reason changes. */
  state(reason: Reason, message: string): void {
    const since = reason === this.#status.reason ? this.#status.since : new Date().toISOString();
    this.#update({ reason, message, since });
    this.#metrics.connected(reason === 'Replaying');
  }

  /** Sets whether this sidecar owns the peer. A sidecar that does not no longer knows the lag and the server. */
  owned(owned: boolean): void {
    if (this.#status.owned && !owned) {
      this.#update({ lag: null, server: null, key: null, certificateExpires: null, redrive: null });
      this.#metrics.released();
    }
    this.#update({ owned });
  }

  /** Sets which settings of the peer are in force. @param digest undefined where none are */
  settings(digest: string | undefined): void {
    this.#update({ digest: digest ?? null });
  }

  /** Says which server is replayed from, and with which key. When its certificate expires is kept after the connection. */
  connected({ server, key, certificateExpires }: Pick<PeerStream, 'server' | 'key' | 'certificateExpires'>): void {
    const expires = certificateExpires === undefined ? null : new Date(certificateExpires).toISOString();
    this.#update({ server, key, certificateExpires: expires });
    this.#metrics.certificateExpires(certificateExpires);
  }

  /** What the peer has for us is not known while there is no connection. */
  disconnected(): void {
    this.lag(null);
    this.#update({ server: null, key: null });
  }

  takenOver(position: Position, recreated: boolean): void {
    this.#metrics.takenOver();
    if (recreated) {
      this.#update({ streamRecreated: this.#status.streamRecreated + 1 });
      this.#metrics.streamRecreated();
    }
    this.position(position);
  }

  chainBroken(): void {
    this.#update({ gaps: this.#status.gaps + 1 });
    this.#metrics.chainBroken();
  }

  /** Something that nobody foresaw stopped the replay. */
  internalError(message: string): void {
    this.#metrics.internalError();
    this.state('InternalError', message);
  }

  /** @param messages how many are not replayed yet; null when that is not known */
  lag(messages: number | null): void {
    if (messages === this.#status.lag) return;
    this.#update({ lag: messages });
    this.#metrics.lag(messages);
  }

  /** @param redrive null where the settings ask for none */
  redrive(redrive: RedriveStatus | null): void {
    this.#update({ redrive });
  }

  /**
   * @param seconds from sending to the commit
   * @param now milliseconds since 1970
   */
  committed(plan: BatchPlan, messages: number, seconds: number, now: number): void {
    const skipped = { ...this.#status.skipped };
    for (const [reason, count] of plan.skips) {
      skipped[reason] += count;
      this.#metrics.skipped(reason, count);
    }
    const rejected = { ...this.#status.rejected };
    for (const [reason, count] of countRejections(plan.rejections)) {
      rejected[reason] += count;
      this.#metrics.rejected(reason, count);
    }
    this.#rejections = advanceRejections(this.#rejections, plan);
    const lastReplayTime = plan.replays.length > 0 ? new Date(now).toISOString() : this.#status.lastReplayTime;
    const replayed = this.#status.replayed + plan.replays.length;
    this.#update({ skipped, rejected, rejectedRun: rejectedRun(this.#rejections), replayed, lastReplayTime });
    this.#metrics.replayed(plan.replays.length);
    this.#metrics.batch(messages);
    this.#metrics.commit(seconds);
    for (const { delivered } of plan.replays) this.#metrics.latency(Math.max(0, now - delivered.time) / 1000);
    this.position(plan.position);
  }

  /** Up to which message everything is replayed. */
  position(position: Position): void {
    const { sequence, time, identity } = position;
    this.#update({ position: { sequence, time: time === 0 ? null : new Date(time).toISOString(), identity } });
    this.#metrics.position(sequence);
  }

  #update(change: Partial<PeerStatus>): void {
    this.#status = { ...this.#status, ...change };
  }
}

import type { RejectReason } from '../../common/contract/reasons.ts';
import type { Logger } from '../../common/log.ts';
import { type BatchPlan, countRejections, type PlannedRejection } from '../replay/batch-plan.ts';
import type { RecordLocation } from '../replay/outgoing-record.ts';

/** How often a peer's rejections for one reason are logged at most. */
const REJECTED_LOG_MS = 60_000;

/**
 * Logs what the committed batches of a peer did: its rejections, and at trace level connect's own lines for every message
 * (docs/upstream.md), with ids and locations. A payload is never logged.
 */
export class ReplayLog {
  readonly #log: Logger;
  readonly #rejected = new Map<RejectReason, { count: number; loggedAt: number }>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /**
   * @param locations of the plan's records, in the same order
   * @param now in milliseconds, by a clock that is never set back
   */
  committed(planned: BatchPlan, locations: readonly RecordLocation[], now: number): void {
    this.#logRejections(planned, now);
    if (this.#log.isLevelEnabled('trace')) logReplays(this.#log, planned, locations);
  }

  /**
   * One line a minute for each reason, with the count since the line before: a peer that sends nothing but nonsense, however
   * small its batches are, must not push everything else out of the log. The metrics count each one.
   */
  #logRejections(planned: BatchPlan, now: number): void {
    for (const [reason, count] of countRejections(planned.rejections)) {
      const rejected = this.#rejected.get(reason) ?? { count: 0, loggedAt: Number.NEGATIVE_INFINITY };
      this.#rejected.set(reason, rejected);
      rejected.count += count;
      if (now - rejected.loggedAt < REJECTED_LOG_MS) continue;
      const newest = planned.rejections.find(({ rejection }) => rejection.reason === reason);
      const { delivered, rejection } = newest as PlannedRejection;
      this.#log.warn(
        { reason, count: rejected.count, sequence: delivered.streamSequence, detail: rejection.detail },
        'rejected messages into LFH_EXCEPTION; this line describes one of them, and the next one for this reason comes in a ' +
          'minute at the earliest',
      );
      rejected.count = 0;
      rejected.loggedAt = now;
    }
  }
}

function logReplays(log: Logger, planned: BatchPlan, locations: readonly RecordLocation[]): void {
  for (let own = planned.skips.get('OwnMessage') ?? 0; own > 0; own -= 1) {
    log.trace('received a message on EVENTS.sync');
    log.trace('detected local LFH message, not storing in kafka');
  }
  for (const { delivered, message, rawRecord, dataRecord } of planned.replays) {
    const id = { uuid: message.uuid, sequence: delivered.streamSequence };
    const raw = locationText(locations[rawRecord]);
    log.trace(id, 'received a message on EVENTS.sync');
    log.trace(id, `stored msg in kafka topic LFH_SYNC at ${raw}`);
    log.trace(id, `replayed nats sync message, data record location = ${locationText(locations[dataRecord])}`);
  }
}

/** connect's `topic:partition:offset`. */
function locationText(location: RecordLocation | undefined): string {
  return location ? `${location.topic}:${location.partition}:${location.offset}` : 'unknown';
}

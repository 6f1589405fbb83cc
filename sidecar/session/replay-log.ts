import type { Logger } from '../../common/log.ts';
import { type BatchPlan, countRejections, type PlannedRejection } from '../replay/batch-plan.ts';
import type { RecordLocation } from '../replay/outgoing-record.ts';

/**
 * Logs what the committed batches of a peer did: its rejections, and at trace level connect's own lines for every message
 * (docs/upstream.md), with ids and locations. A payload is never logged.
 *
 * @param log the logger of that peer, which is limited: a peer that sends nothing but nonsense, however small its batches are,
 *   must not push everything else out of the log. The metrics count each rejection
 * @param locationsOf the batch's records, in their order; it is only called where the lines are wanted that name them
 */
export function logCommitted(log: Logger, planned: BatchPlan, locationsOf: () => readonly RecordLocation[]): void {
  for (const [reason, count] of countRejections(planned.rejections)) {
    const newest = planned.rejections.findLast(({ rejection }) => rejection.reason === reason) as PlannedRejection;
    const { delivered, rejection } = newest;
    const fields = { reason, count, sequence: delivered.streamSequence, detail: rejection.detail };
    log.warn(fields, 'rejected messages into LFH_EXCEPTION; this line describes the newest of them');
  }
  if (log.isLevelEnabled('trace')) logReplays(log, planned, locationsOf());
}

function logReplays(log: Logger, planned: BatchPlan, locations: readonly RecordLocation[]): void {
  for (let own = planned.skips.get('OwnMessage') ?? 0; own > 0; own -= 1) {
    log.trace('received a message on EVENTS.sync');
    log.trace('detected local LFH message, not storing in kafka');
  }
  for (const { delivered, uuid, rawRecord, dataRecord } of planned.replays) {
    const id = { uuid, sequence: delivered.streamSequence };
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

import type { LfhMessage } from '../../common/contract/message.ts';
import { EXCEPTION_TOPIC, SYNC_TOPIC } from '../../common/contract/names.ts';
import type { RejectReason, SkipReason } from '../../common/contract/reasons.ts';
import { settingText } from '../../common/contract/settings.ts';
import { TransientError } from '../../common/errors.ts';
import { type Decision, decide, type Rejection, type Rules } from './decide.ts';
import type { Delivered } from './delivered.ts';
import type { OutgoingRecord, TopicLimits, TopicRefusal } from './outgoing-record.ts';
import type { Position } from './position.ts';
import { dataRecordValue, exceptionRecord } from './record.ts';
import { batchBytes, neededTopicLimit } from './record-size.ts';
import { type RecordValue, recordValue } from './record-value.ts';

/** Turns a batch of deliveries into the records of one transaction and the position after it. */

/** Thrown where a topic of ours is set to take less than our settings let in. Nothing is wrong with the message. */
export class TopicTooSmallError extends TransientError {
  constructor(topic: string, limit: number, size: number, maxMessageBytes: number) {
    super(
      'KafkaRefused',
      `the topic ${topic} takes at most ${limit} bytes in one record batch (max.message.bytes), and the next message needs ` +
        `${size}. Set max.message.bytes=${neededTopicLimit(maxMessageBytes)} there with kafka-configs.sh, which is what ` +
        `${settingText('maxMessageBytes')} = ${maxMessageBytes} needs; or lower that, and such messages are rejected`,
    );
  }
}

/** What is known of each topic, by name: its limits, or why it cannot be had. */
export type Topics = ReadonlyMap<string, TopicLimits | TopicRefusal>;

export interface Judged {
  readonly delivered: Delivered;
  readonly decision: Decision;
}

/** Which delivery it is. The payload is not kept: it is in the records, and those are encoded at once. */
type Which = Pick<Delivered, 'streamSequence' | 'time'>;

/** A message that is replayed, and which of the batch's records hold it. */
export interface PlannedReplay {
  readonly delivered: Which;
  readonly uuid: string;
  readonly rawRecord: number;
  readonly dataRecord: number;
}

export interface PlannedRejection {
  readonly delivered: Which;
  readonly rejection: Rejection;
}

/** What is done with the messages of a batch. */
export interface BatchPlan {
  readonly replays: readonly PlannedReplay[];
  readonly rejections: readonly PlannedRejection[];
  readonly skips: ReadonlyMap<SkipReason, number>;
  /**
   * After the last delivery of the batch. A batch that has nothing but skips moves it as well: an ack beyond the committed
   * position would leave the durable stuck after its next reset.
   */
  readonly position: Position;
}

/** What is done with some messages of a batch that follow each other, and the records for it. */
export interface SlicePlan extends BatchPlan {
  readonly records: readonly OutgoingRecord[];
}

/**
 * Decides about each delivery in turn, by the position after the delivery before it. A sequence that comes a second time
 * within one batch is therefore a repeat, like one that was committed long ago. It yields as `decide` does.
 */
export function* judgeBatch(
  deliveries: readonly Delivered[],
  position: Position,
  rules: Rules,
): Generator<void, Judged[]> {
  const judged: Judged[] = [];
  let at = position;
  for (const delivered of deliveries) {
    judged.push({ delivered, decision: yield* decide(delivered, at, rules) });
    at = advancePosition(at, delivered);
  }
  return judged;
}

/** The topics that the messages name. They must exist before the transaction begins. */
export function topicsNamed(judged: readonly Judged[]): string[] {
  const formats = judged.flatMap(({ decision }) => (decision.kind === 'replay' ? [decision.message.data_format] : []));
  return [...new Set(formats)];
}

/**
 * Makes the records for messages of one transaction.
 *
 * A message can still turn out here to be one that Kafka does not take, because no topic can have the name of its format. Such
 * a message is rejected like any other, since waiting would stop the stream behind it. A topic that takes less than our
 * settings let in costs no message: all wait until it is set right.
 *
 * @param maxMessageBytes the setting of that name, by which the messages were judged
 * @throws TopicTooSmallError where a topic takes less than it has to
 * @param topics limits of LFH_SYNC, LFH_EXCEPTION and every topic of {@link topicsNamed}
 * @param before the position before these messages; `stream`, `identity` and `from` are carried on
 * @param peer the name of the LfhSyncPeer
 * @param now milliseconds since 1970
 * @param written how many records of the batch come before these
 */
export function planBatch(
  judged: readonly Judged[],
  topics: Topics,
  before: Position,
  peer: string,
  maxMessageBytes: number,
  now: number,
  written = 0,
): SlicePlan {
  const records: OutgoingRecord[] = [];
  const replays: PlannedReplay[] = [];
  const rejections: PlannedRejection[] = [];
  const skips = new Map<SkipReason, number>();
  const exceptionLimit = limitOf(topics, EXCEPTION_TOPIC);

  for (const { delivered, decision } of judged) {
    if (decision.kind === 'skip') {
      skips.set(decision.reason, (skips.get(decision.reason) ?? 0) + 1);
      continue;
    }
    const outcome =
      decision.kind === 'reject' ? decision : encode(delivered, decision.message, topics, maxMessageBytes, now);
    if ('kind' in outcome) {
      rejections.push({ delivered: which(delivered), rejection: outcome });
      const source = { peer, stream: before.stream, identity: before.identity, sequence: delivered.streamSequence };
      records.push(exceptionRecord(delivered, outcome, source, now, exceptionLimit));
      continue;
    }
    const { message, raw, data } = outcome;
    const rawRecord = written + records.length;
    replays.push({ delivered: which(delivered), uuid: message.uuid, rawRecord, dataRecord: rawRecord + 1 });
    records.push({ topic: SYNC_TOPIC, value: raw }, { topic: message.data_format, value: data });
  }
  return { records, replays, rejections, skips, position: advancePosition(before, judged.at(-1)?.delivered) };
}

/**
 * The plan of a whole batch, from the plans of its slices, each of which began at the position after the one before.
 *
 * @param before the position before the batch, which stays where there are no slices
 */
export function joinPlans(plans: readonly BatchPlan[], before: Position): BatchPlan {
  const skips = new Map<SkipReason, number>();
  for (const plan of plans) {
    for (const [reason, count] of plan.skips) skips.set(reason, (skips.get(reason) ?? 0) + count);
  }
  return {
    replays: plans.flatMap(({ replays }) => replays),
    rejections: plans.flatMap(({ rejections }) => rejections),
    skips,
    position: plans.at(-1)?.position ?? before,
  };
}

/** The rejections of a plan, counted by reason. */
export function countRejections(rejections: readonly PlannedRejection[]): Map<RejectReason, number> {
  const counts = new Map<RejectReason, number>();
  for (const { rejection } of rejections) counts.set(rejection.reason, (counts.get(rejection.reason) ?? 0) + 1);
  return counts;
}

/** The position once `last` is done. It never moves back: after a reset an old server may redeliver what is committed. */
export function advancePosition(before: Position, last: Delivered | undefined): Position {
  if (last === undefined) return before;
  const ahead = last.streamSequence > before.sequence;
  return {
    ...before,
    sequence: ahead ? last.streamSequence : before.sequence,
    time: ahead ? last.time : before.time,
    consumerSequence: last.consumerSequence,
  };
}

function which({ streamSequence, time }: Delivered): Which {
  return { streamSequence, time };
}

interface Encoded {
  readonly message: LfhMessage;
  readonly raw: RecordValue;
  readonly data: RecordValue;
}

function encode(
  delivered: Delivered,
  message: LfhMessage,
  topics: Topics,
  maxMessageBytes: number,
  now: number,
): Encoded | Rejection {
  const format = message.data_format;
  const topic = topics.get(format);
  if (topic === undefined || 'refused' in topic) {
    return { kind: 'reject', reason: 'TopicRefused', detail: topic?.refused ?? 'the topic of data_format is missing' };
  }
  const raw = recordValue(delivered.payload);
  requireRoom(raw, SYNC_TOPIC, limitOf(topics, SYNC_TOPIC), maxMessageBytes);
  const data = dataRecordValue(message, now);
  requireRoom(data, format, topic.maxMessageBytes, maxMessageBytes);
  return { message, raw, data };
}

function requireRoom(value: RecordValue, topic: string, limit: number, maxMessageBytes: number): void {
  const size = batchBytes(value.length);
  if (size > limit) throw new TopicTooSmallError(topic, limit, size, maxMessageBytes);
}

/** Our own topics are never refused: when they cannot be had, that is thrown before a plan is made. */
function limitOf(topics: Topics, topic: string): number {
  const limits = topics.get(topic);
  if (limits === undefined || 'refused' in limits) throw new Error(`the limits of ${topic} are not known`);
  return limits.maxMessageBytes;
}

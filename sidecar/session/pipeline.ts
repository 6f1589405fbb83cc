import { EXCEPTION_TOPIC, SYNC_TOPIC } from '../../common/contract/names.ts';
import { TransientError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { KafkaPort, PeerStream, ReplayWriter } from '../ports.ts';
import { type BatchLimits, isComplete } from '../replay/batch.ts';
import {
  advancePosition,
  type BatchPlan,
  countRejections,
  judgeBatch,
  type PlannedRejection,
  planBatch,
  topicsNamed,
} from '../replay/batch-plan.ts';
import type { Chain } from '../replay/chain.ts';
import type { Rules } from '../replay/decide.ts';
import type { Delivered } from '../replay/delivered.ts';
import type { RecordLocation, TopicLimits } from '../replay/outgoing-record.ts';
import type { Position } from '../replay/position.ts';
import { isOfAnotherStream } from '../replay/resume.ts';
import type { Announcements } from './announcements.ts';
import type { PeerReport } from './report.ts';

/** Everything a session needs that does not change while it runs. */
export interface SessionContext {
  readonly peer: string;
  readonly rules: Rules;
  readonly limits: BatchLimits;
  readonly kafka: KafkaPort;
  readonly announcements: Announcements | undefined;
  readonly report: PeerReport;
  readonly log: Logger;
}

export interface SessionStart {
  readonly stream: PeerStream;
  readonly writer: ReplayWriter;
  readonly position: Position;
  readonly chain: Chain;
}

/** Thrown when a delivery is not the next of its chain: somebody else was handed messages of ours. */
export class ChainBrokenError extends TransientError {
  constructor(delivered: Delivered) {
    super(
      'ChainBroken',
      `delivery ${delivered.consumerSequence} (stream sequence ${delivered.streamSequence}) does not follow the one ` +
        'before: another process was handed messages of ours. Starting again from the position',
    );
  }
}

/** Thrown when a time stamp shows that the peer's stream is not the one the position speaks of. */
export class AnotherStreamError extends TransientError {
  constructor(delivered: Delivered) {
    super(
      'StreamRecreated',
      `message ${delivered.streamSequence} is younger than the position: the peer has made its stream anew`,
    );
  }
}

/** How long to wait for a message before looking at everything else again. */
const IDLE_MS = 500;

/**
 * Replays one peer from where a take-over left off, until `signal` or an error.
 *
 * One transaction is open at a time; while it commits, the next batch is gathered. Nothing is acknowledged before its
 * transaction has committed, so whatever happens in between is delivered again, and skipped or replayed by its position.
 * On `signal` the batch being committed is finished and acknowledged; what was gathered after it is left to the next
 * take-over.
 */
export async function runSession(context: SessionContext, start: SessionStart, signal: AbortSignal): Promise<void> {
  const { stream, writer } = start;
  const slot = new CommitSlot();
  let gathered = start.position;
  stream.start({ messages: context.limits.messages * 2, bytes: context.limits.bytes * 2 });
  try {
    while (!signal.aborted) {
      const batch = await gather(context, start, slot, signal);
      await slot.free();
      if (batch.length === 0 || signal.aborted) continue;
      const before = gathered;
      gathered = advancePosition(before, batch.at(-1));
      slot.occupy(commitBatch(context, writer, before, batch));
    }
  } finally {
    await slot.free();
  }
}

/** The one commit that may be under way. */
class CommitSlot {
  #commit: Promise<void> = Promise.resolve();
  #busy = false;

  get busy(): boolean {
    return this.#busy;
  }

  occupy(commit: Promise<void>): void {
    this.#busy = true;
    this.#commit = commit.finally(() => {
      this.#busy = false;
    });
    // It is awaited later, by free(); until then its failure is nobody's unhandled rejection.
    this.#commit.catch(() => undefined);
  }

  /** Resolves when the commit is done; throws what it threw. */
  free(): Promise<void> {
    return this.#commit;
  }
}

/** Collects a batch. While another one commits there is no hurry: it may as well fill up. */
async function gather(
  context: SessionContext,
  start: SessionStart,
  slot: CommitSlot,
  signal: AbortSignal,
): Promise<Delivered[]> {
  const { limits, report } = context;
  const batch: Delivered[] = [];
  let bytes = 0;
  let since = performance.now();
  while (!signal.aborted) {
    if (batch.length === 0) since = performance.now();
    for (const delivered of start.stream.take({
      messages: limits.messages - batch.length,
      bytes: limits.bytes - bytes,
    })) {
      verify(start, delivered);
      batch.push(delivered);
      bytes += delivered.payload.byteLength;
    }
    const full = batch.length >= limits.messages || bytes >= limits.bytes;
    const size = {
      messages: batch.length,
      bytes,
      ageMs: performance.now() - since,
      pending: batch.at(-1)?.pending ?? 0,
    };
    if (full || (!slot.busy && isComplete(size, limits))) break;
    if (batch.length === 0 && !slot.busy) report.caughtUp();
    const patience = batch.length === 0 || slot.busy ? IDLE_MS : Math.max(1, limits.ageMs - size.ageMs);
    const arrival = start.stream.available(patience);
    // Where the slot wins, a failure of the stream shows at the next call.
    arrival.catch(() => undefined);
    await (slot.busy ? Promise.race([arrival, slot.free()]) : arrival);
  }
  return batch;
}

function verify({ chain, position }: SessionStart, delivered: Delivered): void {
  if (!chain.accept(delivered)) throw new ChainBrokenError(delivered);
  if (position.identity === null && isOfAnotherStream(delivered, position)) throw new AnotherStreamError(delivered);
}

async function commitBatch(
  context: SessionContext,
  writer: ReplayWriter,
  before: Position,
  batch: readonly Delivered[],
): Promise<void> {
  const { report, kafka, rules, peer, log } = context;
  const started = performance.now();
  const judged = judgeBatch(batch, before, rules);
  const topics = new Map<string, TopicLimits | { refused: string }>([
    ...(await kafka.ensureTopics([SYNC_TOPIC, EXCEPTION_TOPIC])),
    ...(await kafka.ensureTopics(topicsNamed(judged), { capped: true })),
  ]);
  const planned = planBatch(judged, topics, before, peer, Date.now());
  const locations = await writer.send(planned.records, planned.position);
  await writer.commit();
  batch.at(-1)?.ack();
  const seconds = (performance.now() - started) / 1000;
  report.committed(planned, batch.length, batch.at(-1)?.pending ?? 0, seconds, Date.now());
  logReplayed(log, planned, locations);
  context.announcements?.add(
    planned.replays.map(({ delivered }) => ({
      id: `${peer}:${before.identity ?? before.stream}:${delivered.streamSequence}`,
      payload: delivered.payload,
    })),
  );
}

/** At trace level the seed document's own lines can be found, with ids and locations, and never a payload. */
function logReplayed(log: Logger, planned: BatchPlan, locations: readonly RecordLocation[]): void {
  // One line for each reason: a peer that sends nothing but nonsense must not fill the log as well.
  for (const [reason, count] of countRejections(planned.rejections)) {
    const first = planned.rejections.find(({ rejection }) => rejection.reason === reason);
    const { delivered, rejection } = first as PlannedRejection;
    log.warn(
      { reason, count, sequence: delivered.streamSequence, detail: rejection.detail },
      'rejected messages, of which this is the first; they are in LFH_EXCEPTION',
    );
  }
  if (!log.isLevelEnabled('trace')) return;
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

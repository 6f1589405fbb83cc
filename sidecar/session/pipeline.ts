import { sleep } from '../../common/backoff.ts';
import { EXCEPTION_TOPIC, SYNC_TOPIC } from '../../common/contract/names.ts';
import type { TransientError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { KafkaPort, PeerStream, ReplayWriter } from '../ports.ts';
import { AnotherStreamError, isOfAnotherStream } from '../replay/another-stream.ts';
import { Backlog } from '../replay/backlog.ts';
import { type BatchLimits, type BatchSize, isComplete, isFull } from '../replay/batch.ts';
import { advancePosition, type BatchPlan, type Judged, TopicTooSmallError, topicsNamed } from '../replay/batch-plan.ts';
import { type Chain, ChainBrokenError } from '../replay/chain.ts';
import type { Rules } from '../replay/decide.ts';
import type { Delivered } from '../replay/delivered.ts';
import type { TopicLimits, TopicRefusal } from '../replay/outgoing-record.ts';
import type { Position } from '../replay/position.ts';
import type { Allowance } from './allowance.ts';
import { logCommitted } from './replay-log.ts';
import type { PeerReport } from './report.ts';
import { judgeInSlices, planInSlices } from './slices.ts';

/** Everything a session needs that does not change while it runs. */
export interface SessionContext {
  /** The name of the LfhSyncPeer, for logs, record headers and message ids. */
  readonly peer: string;
  readonly rules: Rules;
  readonly limits: BatchLimits;
  readonly allowance: Allowance;
  readonly kafka: KafkaPort;
  readonly report: PeerReport;
  readonly log: Logger;
}

/** What a take-over leaves to the session. */
export interface SessionStart {
  readonly stream: PeerStream;
  readonly writer: ReplayWriter;
  readonly position: Position;
  readonly chain: Chain;
  /** What the durable has to deliver after the position; null when that is not known. */
  readonly pending: number | null;
}

/** What one session is about, from its start to its end. */
interface Session extends SessionStart {
  readonly context: SessionContext;
  readonly slot: CommitSlot;
  readonly backlog: Backlog;
}

/** How long to wait for a message before the loop looks at everything else again. */
const IDLE_MS = 500;
/** How often to look whether a peer that brings all that it may may bring more. */
const PACE_MS = 100;

/**
 * Replays one peer from where a take-over left off, until `signal` or an error (docs/architecture.md, "One batch").
 *
 * One transaction is open at a time; while it commits, the next batch is gathered. Nothing is acknowledged before its
 * transaction has committed. Whatever happens in between is therefore delivered again, and its position decides whether it
 * is skipped or replayed.
 *
 * On `signal` the batch that is being committed is finished and acknowledged. What was gathered after it is left to the
 * next take-over.
 *
 * When the stream fails, or a delivery is not the next one, what came before is as valid as ever: it is committed first, and
 * then the error is thrown. So every session makes progress, whatever ends it, and no message can end all of them.
 */
export async function runSession(context: SessionContext, start: SessionStart, signal: AbortSignal): Promise<void> {
  const slot = new CommitSlot();
  const session = { ...start, context, slot, backlog: new Backlog(start.pending) };
  let gathered = start.position;
  context.report.lag(start.pending);
  const { limits, allowance } = context;
  start.stream.start({ messages: allowance.ahead(limits.messages * 2), bytes: limits.bytes * 2 });
  try {
    while (!signal.aborted) {
      const { deliveries, failure } = await gather(session, signal);
      await slot.free();
      // Messages of another stream may have been among those before it, before we could know that. None of them is committed.
      const isValid = !(failure instanceof AnotherStreamError);
      if (isValid && deliveries.length > 0 && !signal.aborted) {
        const before = gathered;
        gathered = advancePosition(before, deliveries.at(-1));
        slot.occupy(commitBatch(session, before, deliveries));
      }
      if (failure !== undefined) {
        await slot.free();
        throw failure;
      }
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
    // free() awaits it later; until then its failure must not count as an unhandled rejection.
    this.#commit.catch(() => undefined);
  }

  /** Resolves when the commit is done; throws what it threw. */
  free(): Promise<void> {
    return this.#commit;
  }
}

/** Collects a batch. While another batch commits there is no hurry, so this one may as well fill up. */
async function gather(session: Session, signal: AbortSignal): Promise<OpenBatch> {
  const { context, stream, slot } = session;
  const { limits, allowance } = context;
  const batch = new OpenBatch(limits);
  while (!signal.aborted && batch.failure === undefined) {
    batch.takeFrom(session);
    const { size } = batch;
    if (isFull(size, limits) || (!slot.busy && isComplete(size, limits))) break;
    const hurry = size.messages > 0 && !slot.busy;
    const wait = hurry ? Math.max(1, limits.ageMs - size.ageMs) : IDLE_MS;
    const mayTake = allowance.messages > 0;
    const arrival = mayTake
      ? stream.available(wait).catch((error: unknown) => batch.fail(error))
      : sleep(PACE_MS, signal);
    await (slot.busy ? Promise.race([arrival, slot.free()]) : arrival);
  }
  return batch;
}

/** A batch that is being gathered, and what ended that early. */
class OpenBatch {
  readonly deliveries: Delivered[] = [];
  readonly #limits: BatchLimits;
  #bytes = 0;
  #since = performance.now();
  #failure: unknown;

  constructor(limits: BatchLimits) {
    this.#limits = limits;
  }

  get size(): BatchSize {
    return {
      messages: this.deliveries.length,
      bytes: this.#bytes,
      ageMs: performance.now() - this.#since,
      pending: this.deliveries.at(-1)?.pending ?? 0,
    };
  }

  /** Why nothing may be added any more; the deliveries before it are valid. */
  get failure(): unknown {
    return this.#failure;
  }

  fail(error: unknown): void {
    this.#failure ??= error;
  }

  /** Takes what is buffered and fits, up to the first delivery that is not the next one. */
  takeFrom(session: Session): void {
    if (this.deliveries.length === 0) this.#since = performance.now();
    const { messages, bytes } = this.#limits;
    const { allowance } = session.context;
    this.fail(allowance.findUsedUp(Date.now()));
    const room = {
      messages: Math.min(allowance.messages, messages - this.deliveries.length),
      bytes: bytes - this.#bytes,
    };
    if (this.failure !== undefined || room.messages < 1) return;
    for (const delivered of session.stream.take(room)) {
      const problem = findProblem(session, delivered);
      if (problem) return this.fail(problem);
      this.deliveries.push(delivered);
      this.#bytes += delivered.payload.byteLength;
      session.backlog.delivered(delivered.pending);
      if (delivered.cutOff) return this.fail(new ChainBrokenError(delivered));
      allowance.took(delivered.payload.byteLength, Date.now());
      const usedUp = allowance.findUsedUp(Date.now());
      if (usedUp) return this.fail(usedUp);
    }
    session.context.report.lag(session.backlog.lag);
  }
}

function findProblem({ chain, position }: SessionStart, delivered: Delivered): TransientError | undefined {
  if (!chain.accept(delivered)) return new ChainBrokenError(delivered);
  if (isOfAnotherStream(delivered, position)) return new AnotherStreamError(delivered);
  return undefined;
}

/** Plans a batch by what Kafka says about its topics. A limit that was read a while ago stops nothing: it is read again. */
async function planWithTopics(
  { kafka, peer, rules: { maxMessageBytes } }: SessionContext,
  judged: readonly Judged[],
  before: Position,
): Promise<BatchPlan> {
  const plan = async (age: { maxAgeMs?: number }): Promise<BatchPlan> => {
    const options = { ...age, maxMessageBytes };
    const topics = new Map<string, TopicLimits | TopicRefusal>([
      ...(await kafka.ensureTopics([SYNC_TOPIC, EXCEPTION_TOPIC], options)),
      ...(await kafka.ensureTopics(topicsNamed(judged), { ...options, peer })),
    ]);
    return planInSlices(judged, topics, before, peer, maxMessageBytes);
  };
  try {
    return await plan({});
  } catch (error) {
    if (!(error instanceof TopicTooSmallError)) throw error;
    return plan({ maxAgeMs: 0 });
  }
}

async function commitBatch(session: Session, before: Position, batch: readonly Delivered[]): Promise<void> {
  const { context, writer, backlog } = session;
  const { report, rules, log } = context;
  const started = performance.now();
  const judged = await judgeInSlices(batch, before, rules);
  const planned = await planWithTopics(context, judged, before);
  const locations = await writer.send(planned.records, planned.position);
  await writer.commit();
  batch.at(-1)?.ack();
  const seconds = (performance.now() - started) / 1000;
  backlog.committed(batch.length);
  report.committed(planned, batch.length, seconds, Date.now());
  report.lag(backlog.lag);
  logCommitted(log, planned, locations);
}

import { sleep } from '../../common/backoff.ts';
import type { Logger } from '../../common/log.ts';
import type { KafkaPort, PeerStream, ReplayWriter } from '../ports.ts';
import { AnotherStreamError } from '../replay/another-stream.ts';
import { Backlog } from '../replay/backlog.ts';
import { type BatchLimits, isComplete, isFull } from '../replay/batch.ts';
import type { Chain } from '../replay/chain.ts';
import type { Rules } from '../replay/decide.ts';
import type { Position } from '../replay/position.ts';
import type { Allowance } from './allowance.ts';
import { OpenBatch } from './open-batch.ts';
import { logCommitted } from './replay-log.ts';
import type { PeerReport } from './report.ts';

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

/**
 * Messages in the first batch of a session at most. It is committed while the next ones are gathered, so it costs no time, and the
 * first records are there before the code of the replay is warm: a full batch takes ten times as long then.
 */
const FIRST_BATCH = 100;
/** How long to wait for a message before the loop looks at everything else again. */
const IDLE_MS = 500;
/** How often to look whether a peer that brings all that it may may bring more. */
const PACE_MS = 100;

/**
 * Replays one peer from where a take-over left off, until `signal` or an error (docs/architecture.md, "One batch").
 *
 * One transaction is open at a time; while it commits, the next batch is gathered and encoded. Nothing is acknowledged before its
 * transaction has committed. Whatever happens in between is therefore delivered again, and its position decides whether it
 * is skipped or replayed.
 *
 * On `signal` the batch that is being committed is finished and acknowledged. What was gathered after it is left to the
 * next take-over.
 *
 * When the stream fails, or a delivery is not the next one or finds no topic, what came before is as valid as ever: it is
 * committed first, and then the error is thrown. So every session makes progress, whatever ends it, and no message can end all of them.
 */
export async function runSession(context: SessionContext, start: SessionStart, signal: AbortSignal): Promise<void> {
  const slot = new CommitSlot();
  const session = { ...start, context, slot, backlog: new Backlog(start.pending) };
  let gathered = start.position;
  context.report.lag(start.pending);
  const { limits, allowance } = context;
  start.stream.start({ messages: allowance.ahead(limits.messages * 2), bytes: limits.bytes * 2 });
  let batchLimits = { ...limits, messages: Math.min(FIRST_BATCH, limits.messages) };
  try {
    while (!signal.aborted) {
      const batch = await gather(session, gathered, batchLimits, signal);
      batchLimits = limits;
      await slot.whenFree();
      // Messages of another stream may have been among those before it, before we could know that. None of them is committed.
      const isValid = !(batch.failure instanceof AnotherStreamError);
      if (isValid && batch.messages > 0 && !signal.aborted) {
        gathered = batch.position;
        slot.occupy(commitBatch(session, batch));
      }
      if (batch.failure !== undefined) {
        await slot.whenFree();
        throw batch.failure;
      }
    }
  } finally {
    await slot.whenFree();
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
    // whenFree() awaits it later; until then its failure must not count as an unhandled rejection.
    this.#commit.catch(() => undefined);
  }

  /** Resolves when the commit is done; throws what it threw. */
  whenFree(): Promise<void> {
    return this.#commit;
  }
}

/** Collects a batch. While another batch commits there is no hurry, so this one may as well fill up. */
async function gather(
  session: Session,
  before: Position,
  limits: BatchLimits,
  signal: AbortSignal,
): Promise<OpenBatch> {
  const { context, stream, slot } = session;
  const { allowance } = context;
  const batch = new OpenBatch({ ...context, ...session, limits }, before);
  while (!signal.aborted && batch.failure === undefined) {
    await batch.fill();
    const { size } = batch;
    if (isFull(size, limits) || (!slot.busy && isComplete(size, limits))) break;
    const hurry = size.messages > 0 && !slot.busy;
    const wait = hurry ? Math.max(1, limits.ageMs - size.ageMs) : IDLE_MS;
    const mayTake = allowance.messages > 0;
    const arrival = mayTake
      ? stream.available(wait).catch((error: unknown) => batch.fail(error))
      : sleep(PACE_MS, signal);
    await (slot.busy ? Promise.race([arrival, slot.whenFree()]) : arrival);
  }
  return batch;
}

async function commitBatch(session: Session, batch: OpenBatch): Promise<void> {
  const { context, writer, backlog } = session;
  const { report, log } = context;
  const started = performance.now();
  await writer.send(batch.encoded, batch.position);
  await writer.commit();
  batch.ack();
  const seconds = (performance.now() - started) / 1000;
  const { plan, messages } = batch;
  backlog.committed(messages);
  report.committed(plan, messages, seconds, Date.now());
  report.lag(backlog.lag);
  logCommitted(log, plan, () => batch.encoded.locations());
}

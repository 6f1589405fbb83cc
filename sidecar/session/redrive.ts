import { delay, patientDelay, sleep } from '../../common/backoff.ts';
import { redriveTopic, syncName } from '../../common/contract/names.ts';
import type { Redrive } from '../../common/contract/peers.ts';
import { describeUnforeseen, messageOf, ReportedError, TransientError } from '../../common/errors.ts';
import { inTurns, nextTurn } from '../../common/turns.ts';
import type { RedriveLog } from '../ports.ts';
import type { Judged, SlicePlan } from '../replay/batch-plan.ts';
import { decide } from '../replay/decide.ts';
import type { Delivered } from '../replay/delivered.ts';
import { type ExceptionRecord, type Rejected, readException } from '../replay/exception.ts';
import type { Position } from '../replay/position.ts';
import {
  beginRun,
  count,
  decodeRun,
  encodeRun,
  isAskedFor,
  isRunOf,
  moveTo,
  type Range,
  type RedriveRun,
  runStatus,
  sinceOf,
} from '../replay/redrive-run.ts';
import { type Mark, type Place, Redriven } from '../replay/redriven.ts';
import { type CutMessage, type Fetched, placeOf } from './fetch-cut.ts';
import type { SessionContext } from './pipeline.ts';
import { planRedriven } from './plan-redriven.ts';
import { logCommitted } from './replay-log.ts';

/** What goes into one transaction. It is less than a batch of the live replay. */
const MOST_MESSAGES = 200;
const MOST_BYTES = 1024 * 1024;
/** While the live replay has something to do, a redrive rests after each transaction for so many times as long as that took. */
const REST = 9;
/** How often to write how far it is where nothing is replayed, so that a session that ends costs no more than that. */
const PROGRESS_MS = 2_000;
/** What is fetched from the peer's stream at once. Each time, the live replay stops for a take-over. */
const MOST_FETCHED = 16;
const MOST_FETCHED_BYTES = 8 * 1024 * 1024;
const LOOK_AHEAD_PAGES = 8;
/** A session lasts at least so long before it is ended for that. */
const LEAST_SESSION_MS = 3_000;

export interface RedriveParts {
  readonly context: SessionContext;
  readonly lfhId: string;
  readonly redrive: Redrive;
  /** Of the session, as it began. */
  readonly position: Position;
  /** What was fetched from the peer's stream before this session. */
  readonly fetched: Fetched;
  /** Whether the peer's server lets us fetch a message by its sequence. */
  readonly canFetch: boolean;
}

/**
 * Judges the peer's messages in LFH_EXCEPTION once more, and replays those that today's settings accept, beside the live replay
 * (docs/adr/0030). Whatever goes wrong is reported, tried again, and stops nothing else.
 *
 * @returns messages that have to be fetched from the peer's stream before it can go on, for which the session has to end
 */
export async function runRedrive(parts: RedriveParts, signal: AbortSignal): Promise<readonly CutMessage[]> {
  const { context, lfhId } = parts;
  const began = performance.now();
  for (let failures = 1; ; failures += 1) {
    let log: RedriveLog | undefined;
    try {
      log = await context.kafka.takeOverRedrive(syncName(lfhId));
      const wanted = await new Running(parts, log).go(signal);
      if (wanted.length > 0) await sleep(began + LEAST_SESSION_MS - performance.now(), signal);
      return wanted;
    } catch (error) {
      const waitMs = reportWaiting(parts, error, failures);
      await log?.close();
      log = undefined;
      await sleep(waitMs, signal);
      if (signal.aborted) return [];
    } finally {
      await log?.close();
    }
  }
}

/** @returns how long to wait before it is tried again, in milliseconds */
function reportWaiting({ context: { report, log }, redrive }: RedriveParts, error: unknown, failures: number): number {
  const { id, dryRun } = redrive;
  const before = report.status.redrive ?? runStatus(beginRun(redrive, [], Date.now()));
  const waiting = (message: string): void => report.redrive({ ...before, id, dryRun, state: 'Waiting', message });
  if (error instanceof ReportedError) {
    waiting(messageOf(error));
    log.warn({ redrive: id, problem: messageOf(error) }, 'a redrive waits; it is tried again');
    return delay(failures, 1);
  }
  waiting('an error that nobody foresaw; the log of the container lfh-sync has its stack: please report it');
  log.error({ redrive: id, error: describeUnforeseen(error) }, 'an error that nobody foresaw stopped a redrive');
  return patientDelay(failures);
}

/** What a pass over LFH_EXCEPTION has found and not written yet. */
interface Found {
  judged: Judged[];
  /** Of each that was judged, in the same order. */
  places: Place[];
  bytes: number;
  rejected: number;
  missing: number;
}

class Running {
  readonly #parts: RedriveParts;
  readonly #log: RedriveLog;
  readonly #redriven: Redriven;
  /** As it is committed; undefined before it is taken up. */
  #committed: RedriveRun | undefined;
  #writtenAt = performance.now();

  /** @throws TransientError where something else has written to the position topic */
  constructor(parts: RedriveParts, log: RedriveLog) {
    const redriven = Redriven.read(log.marks);
    const known = log.run === undefined ? undefined : decodeRun(log.run);
    if (redriven === undefined || (log.run !== undefined && known === undefined)) throw notOurs(parts.lfhId);
    this.#parts = parts;
    this.#log = log;
    this.#redriven = redriven;
    this.#committed = known && isRunOf(known, parts.redrive) ? known : undefined;
  }

  get #run(): RedriveRun {
    if (this.#committed === undefined) throw new Error('a redrive goes on that was never begun');
    return this.#committed;
  }

  /**
   * Takes the run up where it was left, or begins it.
   * @returns messages that have to be fetched first; none where it is done, or `signal` is aborted
   */
  async go(signal: AbortSignal): Promise<readonly CutMessage[]> {
    const { report, log } = this.#parts.context;
    if (this.#committed === undefined) await this.#begin();
    report.redrive(runStatus(this.#run));
    if (this.#run.finishedAt !== null) return [];
    for (const range of this.#run.ranges) {
      const wanted = await this.#readThrough(range, signal);
      if (wanted !== undefined || signal.aborted) return wanted ?? [];
    }
    await this.#write({ ...this.#run, finishedAt: new Date().toISOString() }, []);
    const { id, dryRun, found, replayed, rejected, missing } = this.#run;
    log.info({ redrive: id, dryRun, found, replayed, rejected, missing }, 'a redrive has ended');
    return [];
  }

  async #begin(): Promise<void> {
    const { context, redrive } = this.#parts;
    const kept = await this.#log.ranges(sinceOf(redrive));
    const ranges = kept.map(({ partition, next, end }) => ({ partition, next, end }));
    await this.#write(beginRun(redrive, ranges, Date.now()), this.#redriven.forget(kept));
    context.log.info({ redrive: redrive.id, dryRun: redrive.dryRun }, 'a redrive has begun');
  }

  async #readThrough(
    { partition, next: first, end }: Range,
    signal: AbortSignal,
  ): Promise<readonly CutMessage[] | undefined> {
    const found = nothing();
    for (let next = first; next < end && !signal.aborted; ) {
      const page = await this.#log.read(partition, next);
      for (const record of page.records) {
        if (signal.aborted) return undefined;
        if (record.offset >= end) break;
        if ((await this.#look(record, found)) === 'fetch') {
          await this.#settle(found, partition, record.offset, signal, true);
          return this.#lookAhead({ partition, next: record.offset, end });
        }
        if (found.judged.length >= MOST_MESSAGES || found.bytes >= MOST_BYTES) {
          await this.#settle(found, partition, record.offset + 1, signal);
        }
      }
      next = Math.min(page.next ?? end, end);
      await this.#settle(found, partition, next, signal);
    }
    return undefined;
  }

  /** @returns `fetch` where the message has to be fetched before anything can be said of it */
  async #look(record: ExceptionRecord, found: Found): Promise<'fetch' | undefined> {
    const rejected = this.#readAskedFor(record);
    if (rejected === undefined) return undefined;
    await nextTurn();
    const payload = this.#payloadOf(rejected);
    if (payload === 'fetch') return 'fetch';
    if (payload === 'missing') {
      found.missing += 1;
      return undefined;
    }
    const delivered = deliveredOf(rejected, payload);
    // No position counts: whether it was replayed is told by the marks.
    const decision = await inTurns(decide(delivered, { sequence: 0, from: 0 }, this.#parts.context.rules));
    if (decision.kind !== 'replay') {
      found.rejected += 1;
      return undefined;
    }
    found.judged.push({ delivered, decision });
    found.places.push(rejected);
    found.bytes += payload.length;
    return undefined;
  }

  /** @returns undefined for a record that this run is not about, or that was replayed */
  #readAskedFor(record: ExceptionRecord): Rejected | undefined {
    const rejected = readException(record, this.#parts.context.peer);
    const isOurs = rejected !== undefined && !this.#redriven.has(rejected) && isAskedFor(this.#run, rejected);
    return isOurs ? rejected : undefined;
  }

  #payloadOf({ content, stream, size, ...place }: Rejected): Uint8Array | 'fetch' | 'missing' {
    if (content.kind === 'whole') return content.payload;
    // It is judged by its size alone.
    if (size > this.#parts.context.rules.maxMessageBytes) return new Uint8Array();
    if (content.kind === 'damaged' || stream !== this.#parts.position.stream || !this.#parts.canFetch) return 'missing';
    const fetched = this.#parts.fetched.get(placeOf(place));
    return fetched === undefined ? 'fetch' : (fetched ?? 'missing');
  }

  /** The messages from here on that have to be fetched, as many as may be at once. */
  async #lookAhead({ partition, next: first, end }: Range): Promise<readonly CutMessage[]> {
    const wanted: CutMessage[] = [];
    let bytes = 0;
    let next = first;
    for (let pages = 0; next < end && pages < LOOK_AHEAD_PAGES; pages += 1) {
      const page = await this.#log.read(partition, next);
      for (const record of page.records.filter(({ offset }) => offset < end)) {
        const rejected = this.#readAskedFor(record);
        if (rejected?.content.kind !== 'cut' || this.#payloadOf(rejected) !== 'fetch') continue;
        const { offset, sequence, size, content } = rejected;
        bytes += size;
        if (wanted.length > 0 && (bytes > MOST_FETCHED_BYTES || wanted.length >= MOST_FETCHED)) return wanted;
        wanted.push({ partition, offset, sequence, size, fingerprint: content.fingerprint });
      }
      next = page.next ?? end;
    }
    return wanted;
  }

  /** Writes what was found up to an offset, and begins a new collection, where that is worth a transaction. */
  async #settle(found: Found, partition: number, next: number, signal: AbortSignal, isDue = false): Promise<void> {
    const { judged, places } = found;
    const isEnd = this.#run.ranges.some((range) => range.partition === partition && next >= range.end);
    const isLate = performance.now() - this.#writtenAt >= PROGRESS_MS;
    if (judged.length === 0 && !isDue && !isEnd && !isLate) return;
    const { context, position } = this.#parts;
    const planned =
      judged.length > 0 && !this.#run.dryRun ? await planRedriven(context, judged, position) : { accepted: judged };
    const accepted = new Set(planned.accepted);
    const rejected = found.rejected + judged.length - accepted.size;
    const more = { replayed: accepted.size, rejected, missing: found.missing };
    const run = moveTo(count(this.#run, more), partition, next);
    const isAccepted = (_place: Place, nth: number): boolean => accepted.has(judged[nth] as Judged);
    const { plan } = planned;
    const marks = plan ? this.#redriven.add(places.filter(isAccepted)) : [];
    Object.assign(found, nothing());
    const tookMs = await this.#write(run, marks, plan);
    if ((this.#parts.context.report.status.lag ?? 1) > 0) await sleep(tookMs * REST, signal);
  }

  /** @returns how long that took, in milliseconds */
  async #write(run: RedriveRun, marks: readonly Mark[], plan?: SlicePlan): Promise<number> {
    const { report, log } = this.#parts.context;
    const started = performance.now();
    const locationsOf = await this.#log.commit(plan?.records ?? [], marks, encodeRun(run));
    this.#committed = run;
    this.#writtenAt = performance.now();
    report.redrive(runStatus(run));
    if (plan !== undefined) logCommitted(log, plan, locationsOf);
    return this.#writtenAt - started;
  }
}

function nothing(): Found {
  return { judged: [], places: [], bytes: 0, rejected: 0, missing: 0 };
}

function deliveredOf({ sequence, size, time }: Rejected, payload: Uint8Array): Delivered {
  return {
    payload,
    size,
    streamSequence: sequence,
    consumerSequence: 0,
    deliveryCount: 1,
    time,
    pending: 0,
    cutOff: false,
    ack: () => undefined,
  };
}

function notOurs(lfhId: string): TransientError {
  return new TransientError(
    'PositionLost',
    `${redriveTopic(syncName(lfhId))} holds something that is not ours. Nothing is redriven before it is repaired, since any ` +
      'guess could replay messages twice',
  );
}

import type { RetrySettings } from '../../common/contract/fhir-servers.ts';
import { RETRANSMIT_TOPIC, syncName } from '../../common/contract/names.ts';
import type { TransmitReason, TransmitSkipReason } from '../../common/contract/transmit-reasons.ts';
import type { OutgoingRecord, RecordLocation } from '../replay/outgoing-record.ts';
import { RECORD_OVERHEAD_BYTES } from '../replay/record.ts';
import type { Failure, Verdict } from './answer.ts';
import { type Crowd, crowdAfter, Places, type Shown, VERSIONS } from './crowd.ts';
import { retransmitRecord, type Undelivered, undeliveredRecord } from './records.ts';
import type { Reading, Resource } from './resource.ts';
import { isUsedUp, retryDelay, timeFor } from './schedule.ts';
import { MAX_PENDING, type Pending } from './state.ts';

/**
 * The transmission to one server goes in rounds: some resources that wait and some new ones are sent, and what came of them is
 * committed in one transaction. A crash in between repeats a round. Pure.
 */

/** So many new resources a round takes. A crash repeats no more. */
const ROUND_RESOURCES = 32;
/** Of those that are older than they may be, while the server fails. */
const ROUND_OVERAGED = 64;

/** Whether the server fails, in which case it is asked again only after a while, with little. */
export interface Circuit {
  /** Rounds in a row in which the server failed. */
  readonly failures: number;
  /** In milliseconds since 1970. */
  readonly notBefore: number;
}

export const CLOSED: Circuit = { failures: 0, notBefore: 0 };

/** A record of LFH_SYNC that comes next. */
export interface Incoming {
  readonly place: RecordLocation;
  readonly value: Buffer;
  /** When it was written, in milliseconds since 1970. */
  readonly since: number;
  readonly reading: Reading;
}

/** A resource of a round. */
export interface Task {
  readonly resource: Resource;
  readonly value: Buffer;
  readonly place: RecordLocation;
  readonly since: number;
  /** Absent for a new one. */
  readonly pending?: Pending;
}

/**
 * Those of the pending that are tried now: none before its time, and none without the earlier ones with the same key. The first
 * of each key come first, so that a resource that changes often keeps no other one waiting.
 *
 * While the server fails, that is the one that was tried least often, so that one resource alone cannot make a server look dead,
 * and those that are to be given up if it still fails.
 */
export function dueNow(pending: readonly Pending[], circuit: Circuit, retry: RetrySettings, now: number): Pending[] {
  if (now < restsUntil(circuit, retry, now)) return [];
  if (circuit.failures === 0) {
    const due = allDue(pending, retry, now);
    const firstDue = new Set(firstOfEachKey(due));
    return [...firstDue, ...due.filter((each) => !firstDue.has(each))].slice(0, ROUND_RESOURCES);
  }
  const first = firstOfEachKey(pending);
  const [probe] = [...first].sort((one, other) => one.attempts - other.attempts);
  const overaged = first.filter((each) => each !== probe && isOveraged(each.since, retry, now));
  return [...(probe ? [probe] : []), ...overaged.slice(0, ROUND_OVERAGED)];
}

/** Until when a server is left alone, in milliseconds since 1970. */
export function restsUntil({ notBefore }: Circuit, retry: RetrySettings, now: number): number {
  return timeFor(notBefore, retry, now);
}

/** When the next of the pending is due, in milliseconds since 1970; undefined where none is. */
export function nextDue(
  pending: readonly Pending[],
  circuit: Circuit,
  retry: RetrySettings,
  now: number,
): number | undefined {
  if (pending.length === 0) return undefined;
  const places = new Places(pending);
  const times = firstOfEachKey(pending).map((each) => timeOf(each, places, retry, now));
  return Math.max(restsUntil(circuit, retry, now), Math.min(...times));
}

/** None before its time, and none behind one with the same key that is not due. */
function allDue(pending: readonly Pending[], retry: RetrySettings, now: number): Pending[] {
  const places = new Places(pending);
  const blocked = new Set<string>();
  return pending.filter((each) => {
    const { key } = each;
    const isDue = timeOf(each, places, retry, now) <= now && (key === null || !blocked.has(key));
    if (!isDue && key !== null) blocked.add(key);
    return isDue;
  });
}

/** When one is tried that nothing precedes. It does not wait for its time where too many newer versions of it wait behind it. */
function timeOf({ key, notBefore }: Pending, places: Places, retry: RetrySettings, now: number): number {
  return places.versionsOf(key) > VERSIONS ? 0 : timeFor(notBefore, retry, now);
}

function firstOfEachKey(pending: readonly Pending[]): Pending[] {
  const keys = new Set<string>();
  return pending.filter(({ key }) => {
    if (key === null) return true;
    const isFirst = !keys.has(key);
    keys.add(key);
    return isFirst;
  });
}

/** How many resources a round takes from LFH_SYNC at most. */
export function roomFor({ failures }: Circuit): number {
  return failures > 0 ? ROUND_OVERAGED : ROUND_RESOURCES;
}

/** How many of the records that come next belong to this round. */
export function takeIncoming(
  incoming: readonly Incoming[],
  pendingCount: number,
  circuit: Circuit,
  retry: RetrySettings,
  now: number,
): number {
  if (now < restsUntil(circuit, retry, now)) return 0;
  const isFailing = circuit.failures > 0;
  let taken = 0;
  let resources = 0;
  for (const { reading, since } of incoming) {
    if (reading.kind === 'resource') {
      const room = isFailing ? (isOveraged(since, retry, now) ? ROUND_OVERAGED : 1) : ROUND_RESOURCES;
      if (resources >= room || pendingCount + resources >= MAX_PENDING) break;
      resources += 1;
    }
    taken += 1;
  }
  return taken;
}

function isOveraged(since: number, { giveUpAfterSeconds }: RetrySettings, now: number): boolean {
  return now - since > giveUpAfterSeconds * 1000;
}

/**
 * Groups tasks into chains: those with the same key, in order. Chains may be sent at the same time. A new resource that an
 * earlier one with the same key precedes among the pending is left out: it has to wait behind it.
 */
export function chainsOf(tasks: readonly Task[], pending: readonly Pending[]): Task[][] {
  const waiting = new Set(pending.flatMap(({ key }) => key ?? []));
  const chains = new Map<string | Task, Task[]>();
  for (const task of tasks) {
    const { key } = task.resource;
    if (key !== null && task.pending === undefined && waiting.has(key)) continue;
    const chain = chains.get(key ?? task);
    if (chain) chain.push(task);
    else chains.set(key ?? task, [task]);
  }
  return [...chains.values()];
}

/** A round, and what came of it. */
export interface Round {
  /** The records of LFH_SYNC that belong to it. */
  readonly taken: readonly Incoming[];
  /** Its resources, those that wait first. */
  readonly tasks: readonly Task[];
  /** Of those that were sent. A new one without a verdict has to wait behind another. */
  readonly verdicts: ReadonlyMap<Task, Verdict>;
  /** Those of the pending that RETRANSMIT does not have any more. */
  readonly lost: readonly Pending[];
}

/** What a round leads to: what has to be written, and what is to be told. */
export interface Settled {
  readonly records: readonly OutgoingRecord[];
  /** The pending after the round. A new one names the record, among `records`, that it is at. */
  readonly pending: readonly (Pending | NewPending)[];
  readonly circuit: Circuit;
  readonly crowd: Crowd;
  readonly delivered: number;
  /** Attempts that failed, and that are or were to be followed by another. */
  readonly failed: number;
  readonly undelivered: readonly Undelivered[];
  readonly skipped: ReadonlyMap<TransmitSkipReason, number>;
  /** The newest failure that was met. */
  readonly failure: { readonly reason: TransmitReason; readonly detail: string } | undefined;
}

export interface NewPending extends Omit<Pending, 'partition' | 'offset'> {
  readonly record: number;
}

export interface RoundContext {
  /** The server's URL. */
  readonly server: string;
  /** The URL that connect would send a type to. */
  readonly targetOf: (type: string) => string;
  readonly retry: RetrySettings;
  /** The largest record batches, in bytes, that the topics take. */
  readonly limits: { readonly retransmit: number; readonly exception: number };
  /** From 0 to 1. */
  readonly random: number;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** What is known before a round. */
export interface Before {
  readonly pending: readonly Pending[];
  readonly circuit: Circuit;
  readonly crowd: Crowd;
}

/** What a round leads to. */
export function settle(context: RoundContext, before: Before, round: Round): Settled {
  const { taken, tasks, verdicts, lost } = round;
  const circuit = circuitAfter(before.circuit, [...verdicts.values()], context);
  const crowd = crowdAfter(before.crowd, shownBy(verdicts, circuit), before.pending.length);
  const ledger = new Ledger(context, before.pending, circuit, crowd);
  for (const each of taken) ledger.noteReading(each);
  for (const each of lost) ledger.noteLost(each);
  for (const task of tasks) ledger.note(task, verdicts.get(task));
  const failures = [...verdicts.values()].filter((verdict) => verdict.kind === 'failed');
  const { records, undelivered, skipped, delivered, failed } = ledger;
  return {
    records,
    pending: ledger.pendingAfter(before.pending),
    circuit,
    crowd,
    delivered,
    failed,
    undelivered,
    skipped,
    failure: failures.at(-1),
  };
}

function shownBy(verdicts: Round['verdicts'], { failures }: Circuit): Shown {
  const all = [...verdicts];
  return {
    // One that is refused here is not sent.
    isTaking: all.some(([, answer]) => answer.kind === 'done' || (answer.kind === 'refused' && answer.status !== null)),
    isFailing: failures > 0,
    failedNew: all.filter(([{ pending }, { kind }]) => pending === undefined && kind === 'failed').length,
  };
}

/** Collects what the tasks of a round lead to. */
class Ledger {
  readonly records: OutgoingRecord[] = [];
  readonly undelivered: Undelivered[] = [];
  readonly skipped = new Map<TransmitSkipReason, number>();
  delivered = 0;
  failed = 0;
  readonly #context: RoundContext;
  readonly #circuit: Circuit;
  readonly #crowd: Crowd;
  readonly #places: Places;
  /** What became of those that were tried; undefined where they wait no more. */
  readonly #changed = new Map<Pending, Pending | undefined>();
  readonly #added: NewPending[] = [];

  constructor(context: RoundContext, pending: readonly Pending[], circuit: Circuit, crowd: Crowd) {
    this.#context = context;
    this.#circuit = circuit;
    this.#crowd = crowd;
    this.#places = new Places(pending);
  }

  noteReading({ reading, value, place }: Incoming): void {
    if (reading.kind === 'skip') this.skipped.set(reading.reason, (this.skipped.get(reading.reason) ?? 0) + 1);
    if (reading.kind === 'unfit')
      this.#giveUp(value, place, { reason: 'NotAResource', status: null, detail: reading.detail });
  }

  noteLost(pending: Pending): void {
    this.#drop(pending);
    const { uuid, partition, offset } = pending;
    const place = { topic: RETRANSMIT_TOPIC, partition, offset };
    const detail = 'it was waiting, and RETRANSMIT does not have it any more: see retention.ms of that topic';
    this.#giveUp(Buffer.from(uuid), place, { reason: 'TransmitGivenUp', status: null, detail });
  }

  note(task: Task, verdict: Verdict | undefined): void {
    const { value, place, pending } = task;
    if (pending && verdict === undefined) return;
    if (pending) this.#drop(pending);
    if (verdict?.kind === 'done') {
      this.delivered += 1;
    } else if (verdict?.kind === 'refused') {
      const { status, outcome } = verdict;
      this.#giveUp(
        value,
        place,
        status === null
          ? { reason: 'NotAResource', status, detail: outcome }
          : { reason: 'TransmitRefused', status, detail: `it answers ${status}: ${outcome}` },
      );
    } else {
      this.#wait(task, verdict);
    }
  }

  pendingAfter(before: readonly Pending[]): (Pending | NewPending)[] {
    const kept = before.flatMap((each) => (this.#changed.has(each) ? (this.#changed.get(each) ?? []) : each));
    return [...kept, ...this.#added];
  }

  /** @param failure undefined for a new one that was not tried */
  #wait(task: Task, failure: Failure | undefined): void {
    const { resource, value, place, since, pending } = task;
    const { message, key } = resource;
    const attempts = (pending?.attempts ?? 0) + (failure ? 1 : 0);
    const notBefore = this.#notBefore(failure, attempts);
    const waiting = { uuid: message.uuid, key, sender: syncName(message.lfh_id), attempts, since, notBefore };
    if (failure) {
      this.failed += 1;
      const refusal = this.#refusal(waiting);
      if (refusal !== undefined) {
        const detail = `${refusal}; it was tried ${attempts} times, at last: ${failure.detail}`;
        this.#giveUp(value, place, { reason: 'TransmitGivenUp', status: failure.status, detail });
        return;
      }
    }
    if (pending) {
      this.#places.enter(waiting);
      this.#changed.set(pending, { ...pending, ...waiting });
    } else {
      this.#add(task, waiting, failure?.status ?? null);
    }
  }

  /** Puts a new one into RETRANSMIT. */
  #add({ resource, value, place }: Task, waiting: Omit<NewPending, 'record'>, status: number | null): void {
    const { now, targetOf, limits } = this.#context;
    const record = retransmitRecord(resource.message, place, targetOf(resource.type), now);
    if (record.value.length + RECORD_OVERHEAD_BYTES > limits.retransmit) {
      const detail = 'it cannot wait, because it is larger than max.message.bytes of RETRANSMIT';
      this.#giveUp(value, place, { reason: 'TransmitGivenUp', status, detail });
      return;
    }
    this.#places.enter(waiting);
    this.#added.push({ ...waiting, record: this.records.length });
    this.records.push(record);
  }

  /** It waits no more, unless it is put back. */
  #drop(pending: Pending): void {
    this.#places.leave(pending);
    this.#changed.set(pending, undefined);
  }

  /** @returns why one that failed is not tried again; undefined where it is */
  #refusal(waiting: Omit<NewPending, 'record'>): string | undefined {
    const { retry, now } = this.#context;
    if (isUsedUp(waiting, retry, now)) return 'it could not be delivered in time';
    return this.#circuit.failures > 0 ? undefined : this.#places.refusal(waiting, this.#crowd);
  }

  /** What waits for the server, or behind another, has no time of its own. */
  #notBefore(failure: Failure | undefined, attempts: number): number {
    const { retry, random, now } = this.#context;
    if (failure === undefined || (this.#circuit.failures > 0 && failure.scope !== 'resource')) return 0;
    return now + (failure.retryAfterMs ?? retryDelay(attempts, random, retry));
  }

  #giveUp(value: Buffer, place: RecordLocation, why: Undelivered): void {
    const { server, limits, now } = this.#context;
    this.undelivered.push(why);
    this.records.push(undeliveredRecord(value, place, server, why, now, limits.exception));
  }
}

function circuitAfter(before: Circuit, verdicts: readonly Verdict[], { retry, random, now }: RoundContext): Circuit {
  if (verdicts.length === 0) return before;
  const failures = verdicts.filter((verdict) => verdict.kind === 'failed');
  const isAnswering = verdicts.some((verdict) => verdict.kind !== 'failed' || verdict.scope === 'resource');
  const isFailing = failures.some(({ scope }) => scope === 'server' || (scope === 'unclear' && !isAnswering));
  if (!isFailing) return CLOSED;
  const count = before.failures + 1;
  const asked = Math.max(0, ...failures.map(({ retryAfterMs }) => retryAfterMs ?? 0));
  return { failures: count, notBefore: now + (asked > 0 ? asked : retryDelay(count, random, retry)) };
}

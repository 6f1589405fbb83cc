import type { RetrySettings } from '../../common/contract/fhir-servers.ts';
import { RETRANSMIT_TOPIC, syncName } from '../../common/contract/names.ts';
import type { TransmitReason, TransmitSkipReason } from '../../common/contract/transmit-reasons.ts';
import type { OutgoingRecord, RecordLocation } from '../replay/outgoing-record.ts';
import { RECORD_OVERHEAD_BYTES } from '../replay/record.ts';
import type { Failure, Verdict } from './answer.ts';
import { type Circuit, circuitAfter } from './circuit.ts';
import { faultAfter, fullText, looksDown, Places, type Shown, VERSIONS, withFaults } from './crowd.ts';
import { retransmitRecord, type Undelivered, undeliveredRecord } from './records.ts';
import type { Reading, Resource } from './resource.ts';
import { isUsedUp, retryDelay } from './schedule.ts';
import { MAX_PENDING, type Pending } from './state.ts';

/**
 * The transmission to one server goes in rounds: some resources that wait and some new ones are sent, and what came of them is
 * committed in one transaction. A crash in between repeats a round. Pure.
 */

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
  /** Its resources, those that wait last: the server may hang for them. */
  readonly tasks: readonly Task[];
  /** Of those that were sent. A new one without a verdict has to wait behind another. */
  readonly verdicts: ReadonlyMap<Task, Verdict>;
  /** Those of the pending that RETRANSMIT does not have any more. */
  readonly lost: readonly Pending[];
  /** Those that are given up if the server still fails for what has the same key; they are none of the tasks. */
  readonly surplus: readonly Task[];
}

/** What a round leads to: what has to be written, and what is to be told. */
export interface Settled {
  readonly records: readonly OutgoingRecord[];
  /** The pending after the round. A new one names the record, among `records`, that it is at. */
  readonly pending: readonly (Pending | NewPending)[];
  readonly circuit: Circuit;
  /** Whether nothing more was read before the round, because as many waited as may, although the server did not fail as a whole. */
  readonly isFull: boolean;
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
  /** How long it took to send the round. */
  readonly tookMs: number;
}

/** What is known before a round. */
export interface Before {
  readonly pending: readonly Pending[];
  readonly circuit: Circuit;
}

/** What a round leads to. */
export function settle(context: RoundContext, before: Before, round: Round): Settled {
  const { taken, tasks, verdicts, lost, surplus } = round;
  const circuit = circuitAfter(before.circuit, verdicts, context);
  const ledger = new Ledger(context, before.pending, circuit, shownBy(before.pending, verdicts));
  for (const each of taken) ledger.noteReading(each);
  for (const each of lost) ledger.noteLost(each);
  for (const each of surplus) ledger.noteSurplus(each);
  for (const task of tasks) ledger.note(task, verdicts.get(task));
  const failures = [...verdicts.values()].filter((verdict) => verdict.kind === 'failed');
  const { records, undelivered, skipped, delivered, failed } = ledger;
  return {
    records,
    pending: ledger.pendingAfter(before.pending),
    circuit,
    isFull: circuit.failures === 0 && fullText(before.pending) !== undefined,
    delivered,
    failed,
    undelivered,
    skipped,
    failure: failures.at(-1),
  };
}

function shownBy(before: readonly Pending[], verdicts: Round['verdicts']): Shown {
  const all = [...verdicts];
  const isTaking = all.some(([, { kind }]) => kind === 'done');
  const failedNow = all.filter(([{ pending }, { kind }]) => kind === 'failed' && pending?.fault === undefined);
  const isDown = looksDown([...before, ...failedNow.map(() => ({ fault: 'open' as const }))]);
  // Where as many wait as may, nothing that is new can show it.
  const isTelling = !isDown && (isTaking || before.length >= MAX_PENDING);
  const lastOf: Shown['lastOf'] = new Map(
    all.flatMap(([{ resource, pending }, { kind }]) =>
      resource.key === null ? [] : [[resource.key, kind === 'failed' ? faultAfter(pending?.fault, isTelling) : kind]],
    ),
  );
  return { isTaking, isTelling, looksDown: isDown, lastOf };
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
  readonly #shown: Shown;
  readonly #places: Places;
  /** What became of those that were tried; undefined where they wait no more. */
  readonly #changed = new Map<Pending, Pending | undefined>();
  readonly #added: NewPending[] = [];

  constructor(context: RoundContext, pending: readonly Pending[], circuit: Circuit, shown: Shown) {
    this.#context = context;
    this.#circuit = circuit;
    this.#shown = shown;
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

  /** @param task one that waits behind an older one with the same key, and before many newer ones */
  noteSurplus({ value, place, resource, pending }: Task): void {
    const { key } = resource;
    const isFailing = this.#circuit.failures > 0 || this.#shown.looksDown;
    if (pending === undefined || key === null || isFailing || this.#shown.lastOf.get(key) === 'done') return;
    this.#drop(pending);
    const tried = pending.attempts === 0 ? 'it was not tried' : `it was tried ${pending.attempts} times`;
    const detail = `the server fails for an older version of it while it takes others, and ${VERSIONS} newer ones wait; ${tried}`;
    this.#giveUp(value, place, { reason: 'TransmitGivenUp', status: null, detail });
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
    const after = [...kept, ...this.#added];
    return this.#circuit.failures > 0 ? after : [...withFaults(after, this.#shown)];
  }

  /** @param failure undefined for a new one that was not tried */
  #wait(task: Task, failure: Failure | undefined): void {
    const { value, place, pending } = task;
    const waiting = this.#waiting(task, failure);
    if (failure) {
      this.failed += 1;
      const refusal = this.#refusal(waiting);
      if (refusal !== undefined) {
        const detail = `${refusal}; it was tried ${waiting.attempts} times, at last: ${failure.detail}`;
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

  #waiting({ resource, since, pending }: Task, failure: Failure | undefined): Omit<NewPending, 'record'> {
    const { message, key } = resource;
    const attempts = (pending?.attempts ?? 0) + (failure ? 1 : 0);
    const isJudged = failure !== undefined && this.#circuit.failures === 0;
    const fault = isJudged ? faultAfter(pending?.fault, this.#shown.isTelling) : pending?.fault;
    const notBefore = this.#notBefore(failure, attempts);
    const sender = syncName(message.lfh_id);
    return { uuid: message.uuid, key, sender, attempts, since, notBefore, ...(fault && { fault }) };
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
    if (this.#circuit.failures > 0 || this.#shown.looksDown) return undefined;
    return this.#places.refusal(waiting);
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

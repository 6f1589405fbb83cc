import assert from 'node:assert/strict';
import { RETRY_DEFAULTS } from '../../../../common/contract/fhir-servers.ts';
import { judge, type Verdict } from '../../../../sidecar/transmit/answer.ts';
import { fullText, NO_CROWD } from '../../../../sidecar/transmit/crowd.ts';
import { readResource } from '../../../../sidecar/transmit/resource.ts';
import {
  CLOSED,
  chainsOf,
  dueNow,
  type Incoming,
  roomFor,
  type Settled,
  settle,
  type Task,
  takeIncoming,
} from '../../../../sidecar/transmit/round.ts';
import { decodeState, encodeState, MAX_PENDING, type Pending } from '../../../../sidecar/transmit/state.ts';
import { connectMessage } from '../../../kit/sites/connect-message.ts';
import { allAtOnce } from '../replay/messages.ts';

const RETRY = RETRY_DEFAULTS;
const START = Date.parse('2026-11-29T08:00:00Z');
const MINUTE = 60_000;

interface Sent {
  readonly from: string;
  readonly id: string;
}

/** What a transmission does with a line of resources, in rounds, against a server that decides by the resource's id. */
class Simulation {
  readonly line: Incoming[];
  readonly done: string[] = [];
  /** Of each attempt, which of the line it was. */
  readonly tried: number[] = [];
  readonly givenUp: { readonly id: string; readonly detail: string }[] = [];
  now = START;
  pending: Pending[] = [];
  /** Undefined: the server is down. */
  answer: (id: string) => number | undefined;
  #memory: Pick<Settled, 'circuit' | 'crowd'> = { circuit: CLOSED, crowd: NO_CROWD };
  /** RETRANSMIT. */
  readonly #kept = new Map<string, Incoming>();
  #next = 0;

  constructor(sent: readonly Sent[], answer: (id: string) => number | undefined) {
    this.line = sent.map(({ from, id }, n) => {
      const { payload } = connectMessage({ lfhId: from, content: { resourceType: 'Patient', id, n } });
      const place = { topic: 'LFH_SYNC', partition: 0, offset: String(n) };
      return { place, value: payload, since: START, reading: allAtOnce(readResource(payload, 'own')) };
    });
    this.answer = answer;
  }

  /** Whose the pending are, with how many. */
  get waiting(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const { sender = 'unknown' } of this.pending) counts[sender] = (counts[sender] ?? 0) + 1;
    return counts;
  }

  /** Puts resources among the pending that an earlier version has put there. */
  leave(count: number): void {
    for (const [index, each] of this.line.splice(0, count).entries()) {
      const { key, message } = taskOf(each).resource;
      this.#kept.set(String(index), each);
      const waited = { attempts: 1, since: START, notBefore: START + MINUTE };
      this.pending.push({ partition: 0, offset: String(index), uuid: message.uuid, key, ...waited });
    }
    this.#next = count;
  }

  /** Goes on for as long, with a round every few seconds. */
  run(ms: number): void {
    for (const end = this.now + ms; this.now < end; this.now += 6_000) this.#round();
  }

  #round(): void {
    const { circuit, crowd } = this.#memory;
    const due = dueNow(this.pending, circuit, RETRY, this.now);
    const ahead = this.line.slice(0, roomFor(circuit));
    const taken = ahead.slice(0, takeIncoming(ahead, this.pending.length, circuit, RETRY, this.now));
    if (due.length + taken.length === 0) return;
    const waiting = due.map((each) => taskOf(this.#kept.get(each.offset) as Incoming, each));
    const tasks = [...waiting, ...taken.map((each) => taskOf(each))];
    const verdicts = this.#send(tasks);
    const settled = settle(
      {
        server: 'https://fhir.example.org',
        targetOf: (type) => `https://fhir.example.org/${type}`,
        retry: RETRY,
        limits: { retransmit: 1_000_000, exception: 1_000_000 },
        random: 1,
        now: this.now,
      },
      { pending: this.pending, circuit, crowd },
      { taken, tasks, verdicts, lost: [] },
    );
    this.line.splice(0, taken.length);
    this.pending = this.#place(settled, tasks);
    this.#memory = settled;
  }

  #send(tasks: readonly Task[]): Map<Task, Verdict> {
    const verdicts = new Map<Task, Verdict>();
    for (const chain of chainsOf(tasks, this.pending)) {
      for (const task of chain) {
        const status = this.answer(task.resource.id ?? '');
        const verdict = verdictOf(status, this.now);
        verdicts.set(task, verdict);
        this.tried.push(nthOf(task));
        if (verdict.kind === 'done') this.done.push(task.resource.id ?? '');
        if (verdict.kind === 'failed') break;
      }
    }
    return verdicts;
  }

  #place({ pending, records, undelivered }: Settled, tasks: readonly Task[]): Pending[] {
    const byUuid = new Map(tasks.map((task) => [task.resource.message.uuid, task]));
    const placed = pending.map((each) => {
      if ('offset' in each) return each;
      const { record, ...waiting } = each;
      assert.equal(records[record]?.topic, 'RETRANSMIT');
      const { value, place, since, resource } = byUuid.get(each.uuid) as Task;
      const offset = String(this.#next++);
      this.#kept.set(offset, { value, place, since, reading: { kind: 'resource', resource } });
      return { partition: 0, offset, ...waiting };
    });
    const kept = new Set(placed.map(({ uuid }) => uuid));
    const gone = tasks.filter(({ resource: { message, id } }) => !kept.has(message.uuid) && !this.#isDone(id));
    assert.equal(gone.length, undelivered.length);
    for (const [index, { resource }] of gone.entries()) {
      this.givenUp.push({ id: resource.id ?? '', detail: undelivered[index]?.detail ?? '' });
    }
    return placed;
  }

  #isDone(id: string | undefined): boolean {
    return this.answer(id ?? '') === 200;
  }
}

function taskOf({ reading, ...record }: Incoming, pending?: Pending): Task {
  assert.ok(reading.kind === 'resource');
  return { ...record, resource: reading.resource, ...(pending && { pending, since: pending.since }) };
}

function nthOf({ resource }: Task): number {
  return (JSON.parse(resource.bytes.toString('utf8')) as { n: number }).n;
}

function verdictOf(status: number | undefined, now: number): Verdict {
  if (status === undefined) return judge({ kind: 'failed', reason: 'Unreachable', detail: 'it is down' }, now);
  return judge({ kind: 'answered', status, retryAfter: undefined, body: Buffer.from('') }, now);
}

/** `hot` each time, or `bad-1`, `bad-2` and so on. */
function sentBy(from: string, count: number, id: (nth: number) => string): Sent[] {
  return Array.from({ length: count }, (_, nth) => ({ from, id: id(nth) }));
}

/** Puts one of the others behind each `every` of them. */
function mixed(sent: readonly Sent[], others: readonly Sent[], every: number): Sent[] {
  return sent.flatMap((each, nth) => [
    each,
    ...((nth + 1) % every === 0 ? others.slice(nth / every, nth / every + 1) : []),
  ]);
}

const failsFor = (bad: RegExp) => (id: string) => (bad.test(id) ? 500 : 200);
const good = (nth: number): string => `good-${nth}`;

describe('many resources for which a FHIR server fails', () => {
  it('are one and the same: the newest few versions wait, in order, and nobody else does', () => {
    const simulation = new Simulation(
      mixed(
        sentBy('a', 200, () => 'hot'),
        sentBy('b', 5, good),
        40,
      ),
      failsFor(/hot/),
    );
    simulation.run(20 * MINUTE);
    assert.equal(simulation.done.length, 5);
    assert.equal(simulation.line.length, 0);
    assert.equal(simulation.pending.length, 8);
    assert.equal(simulation.givenUp.length, 192);
    assert.match(simulation.givenUp[0]?.detail ?? '', /^\d+ newer versions of it wait; .* it answers 500$/);
    simulation.answer = () => 200;
    simulation.tried.length = 0;
    simulation.run(6 * MINUTE);
    assert.deepEqual(simulation.pending, []);
    assert.deepEqual(simulation.tried, [196, 197, 198, 199, 200, 201, 202, 203]);
  });

  it('are many of one sender: it alone has to give up, and the others go on', () => {
    const c = sentBy('c', 3, (nth) => `bad-c-${nth}`);
    const simulation = new Simulation(
      [
        ...c,
        ...mixed(
          sentBy('a', 1_000, (nth) => `bad-a-${nth}`),
          sentBy('b', 20, good),
          50,
        ),
      ],
      failsFor(/bad/),
    );
    simulation.run(30 * MINUTE);
    assert.equal(simulation.done.length, 20);
    assert.equal(simulation.line.length, 0);
    assert.equal(simulation.waiting['lfh-sync-c'], 3);
    assert.equal(simulation.pending.length, 200);
    assert.equal(simulation.givenUp.length, 803);
    assert.ok(simulation.givenUp.every(({ id }) => id.startsWith('bad-a-')));
  });

  it('are what an earlier version has left, so that nothing is read: the others go on', () => {
    const simulation = new Simulation([...sentBy('a', 400, () => 'hot'), ...sentBy('b', 5, good)], failsFor(/hot/));
    simulation.leave(400);
    simulation.run(50 * MINUTE);
    assert.equal(simulation.done.length, 5);
    assert.equal(simulation.pending.length, 8);
  });

  it('are all that there are: none is given up, and all are delivered when the server has recovered', () => {
    const simulation = new Simulation(
      mixed(
        sentBy('a', 1_000, good),
        sentBy('b', 20, (nth) => `too-${nth}`),
        50,
      ),
      () => 500,
    );
    simulation.run(59 * MINUTE);
    assert.deepEqual([simulation.givenUp.length, simulation.pending.length], [0, MAX_PENDING]);
    simulation.answer = () => 200;
    simulation.run(6 * MINUTE);
    assert.deepEqual([simulation.done.length, simulation.givenUp.length], [1_020, 0]);
  });

  it('are all that can be read: nothing more is sent, which is said, until the server takes them', () => {
    const simulation = new Simulation(
      [...sentBy('a', 500, (nth) => `bad-${nth}`), ...sentBy('b', 5, good)],
      failsFor(/bad/),
    );
    simulation.run(24 * 60 * MINUTE);
    assert.deepEqual([simulation.givenUp.length, simulation.done.length], [0, 0]);
    assert.match(
      fullText(simulation.pending) ?? '',
      /^400 resources wait \(400 of lfh-sync-a\), and nothing more is sent/,
    );
    simulation.answer = () => 200;
    simulation.run(10 * MINUTE);
    assert.deepEqual([simulation.givenUp.length, simulation.done.length], [0, 505]);
    assert.equal(fullText(simulation.pending), undefined);
  });

  it('cost nothing while the server is down, however many versions of one there are', () => {
    const simulation = new Simulation(
      sentBy('a', 300, () => 'hot'),
      () => undefined,
    );
    simulation.run(3 * 60 * MINUTE);
    assert.ok(simulation.pending.length > 8);
    simulation.answer = () => 200;
    simulation.run(6 * MINUTE);
    assert.deepEqual([simulation.done.length, simulation.givenUp.length], [300, 0]);
  });
});

describe('whose a resource is that waits', () => {
  const waiting = { partition: 0, offset: '7', uuid: 'u', key: null, attempts: 1, since: START, notBefore: 0 };
  const encoded = (sender: unknown): string =>
    encodeState({ offsets: {}, pending: [{ ...waiting, sender } as Pending] });

  it('is read back, also where an earlier version has not written it', () => {
    assert.equal(decodeState(encoded('lfh-sync-a'))?.pending[0]?.sender, 'lfh-sync-a');
    assert.deepEqual(decodeState(encoded(undefined))?.pending, [waiting]);
    assert.equal(decodeState(encoded(7)), undefined);
  });

  it('is said of three senders, and of how many others there are', () => {
    const senders = 'aaaabbbccd'.split('').map((sender) => ({ sender, key: null }));
    const all = Array.from({ length: 40 }, () => [...senders, { key: null }]).flat();
    const text = fullText(all) ?? '';
    assert.match(
      text,
      /^440 resources wait \(160 of a, 120 of b, 80 of c, others of 2 more\), and nothing more is sent/,
    );
  });
});

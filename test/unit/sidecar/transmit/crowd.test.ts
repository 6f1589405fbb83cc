import assert from 'node:assert/strict';
import { RETRY_DEFAULTS } from '../../../../common/contract/fhir-servers.ts';
import { judge, type Verdict } from '../../../../sidecar/transmit/answer.ts';
import { type Circuit, CLOSED } from '../../../../sidecar/transmit/circuit.ts';
import { fullText } from '../../../../sidecar/transmit/crowd.ts';
import { dueNow, roomFor, surplusOf, takeIncoming } from '../../../../sidecar/transmit/due.ts';
import { readResource } from '../../../../sidecar/transmit/resource.ts';
import { chainsOf, type Incoming, type Settled, settle, type Task } from '../../../../sidecar/transmit/round.ts';
import { decodeState, encodeState, MAX_PENDING, type Pending } from '../../../../sidecar/transmit/state.ts';
import { randomNumbers } from '../../../chaos/storm/schedule.ts';
import { connectMessage } from '../../../kit/sites/connect-message.ts';
import { allAtOnce } from '../replay/messages.ts';

const RETRY = RETRY_DEFAULTS;
const START = Date.parse('2026-11-29T08:00:00Z');
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const ROUND_MS = 6_000;
/** What is answered in place of a resource that the server hangs for, after half a minute. */
const HANGS = 504;
/** So many requests are under way at a time. */
const CONNECTIONS = 8;

interface Sent {
  readonly from: string;
  readonly id: string;
}

/** What a transmission does with a line of resources, in rounds, against a server that decides by the resource's id. */
class Simulation {
  readonly line: Incoming[] = [];
  readonly done: string[] = [];
  /** Of each attempt, which of the line it was. */
  readonly tried: number[] = [];
  readonly givenUp: { readonly id: string; readonly detail: string }[] = [];
  readonly refused: string[] = [];
  /** What was said after each round of nothing more being read. */
  readonly texts: (string | undefined)[] = [];
  now = START;
  pending: Pending[] = [];
  /** Undefined: the server is down. */
  answer: (id: string) => number | undefined;
  #circuit: Circuit = CLOSED;
  /** RETRANSMIT. */
  readonly #kept = new Map<string, Incoming>();
  #next = 0;
  #sent = 0;
  /** Of each id, which of the line was tried last. */
  readonly #newest = new Map<string, number>();

  constructor(sent: readonly Sent[], answer: (id: string) => number | undefined) {
    this.add(sent);
    this.answer = answer;
  }

  add(sent: readonly Sent[]): void {
    for (const { from, id } of sent) {
      const n = this.#sent++;
      const { payload } = connectMessage({ lfhId: from, content: { resourceType: 'Patient', id, n } });
      const place = { topic: 'LFH_SYNC', partition: 0, offset: String(n) };
      this.line.push({ place, value: payload, since: this.now, reading: allAtOnce(readResource(payload, 'own')) });
    }
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

  /** Goes on for as long, with a round every few seconds, or as long as the server lets one wait. */
  run(ms: number): void {
    for (const end = this.now + ms; this.now < end; this.now += ROUND_MS) this.#round();
  }

  /** Another sidecar takes the transmission over, with what is in Kafka alone. */
  takeOver(): void {
    this.#circuit = CLOSED;
    this.pending = [...(decodeState(encodeState({ offsets: {}, pending: this.pending }))?.pending ?? [])];
  }

  #round(): void {
    const circuit = this.#circuit;
    const due = dueNow(this.pending, circuit, RETRY, this.now);
    const ahead = this.line.slice(0, roomFor(circuit));
    const taken = ahead.slice(0, takeIncoming(ahead, this.pending.length, circuit, RETRY, this.now));
    const [waiting, surplus] = [due, surplusOf(this.pending, circuit)].map((all) =>
      all.map((each) => taskOf(this.#kept.get(each.offset) as Incoming, each)),
    ) as [Task[], Task[]];
    if (waiting.length + surplus.length + taken.length === 0) return;
    const tasks = [...taken.map((each) => taskOf(each)), ...waiting];
    const started = this.now;
    const verdicts = this.#send(tasks);
    const settled = settle(
      {
        server: 'https://fhir.example.org',
        targetOf: (type) => `https://fhir.example.org/${type}`,
        retry: RETRY,
        limits: { retransmit: 1_000_000, exception: 1_000_000 },
        random: 1,
        now: this.now,
        tookMs: this.now - started,
      },
      { pending: this.pending, circuit },
      { taken, tasks, verdicts, lost: [], surplus },
    );
    this.line.splice(0, taken.length);
    this.pending = this.#place(settled, [...surplus, ...tasks], verdicts);
    this.#circuit = settled.circuit;
    this.texts.push(fullText(this.pending));
  }

  #send(tasks: readonly Task[]): Map<Task, Verdict> {
    const verdicts = new Map<Task, Verdict>();
    let hanging = 0;
    for (const chain of chainsOf(tasks, this.pending)) {
      for (const task of chain) {
        const id = task.resource.id ?? '';
        const status = this.answer(id);
        const verdict = verdictOf(status, this.now);
        verdicts.set(task, verdict);
        assert.ok(nthOf(task) >= (this.#newest.get(id) ?? 0), `an older version of ${id} went after a newer one`);
        this.#newest.set(id, nthOf(task));
        this.tried.push(nthOf(task));
        if (verdict.kind === 'done') this.done.push(id);
        if (status === HANGS) hanging += 1;
        if (verdict.kind === 'failed') break;
      }
    }
    this.now += Math.ceil(hanging / CONNECTIONS) * 30_000;
    return verdicts;
  }

  #place({ pending, records, undelivered }: Settled, tasks: readonly Task[], verdicts: Map<Task, Verdict>): Pending[] {
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
    const gone = tasks.filter((task) => !kept.has(task.resource.message.uuid) && verdicts.get(task)?.kind !== 'done');
    assert.equal(gone.length, undelivered.length);
    for (const [index, { resource }] of gone.entries()) {
      const { reason, detail = '' } = undelivered[index] ?? {};
      if (reason === 'TransmitRefused') this.refused.push(resource.id ?? '');
      else this.givenUp.push({ id: resource.id ?? '', detail });
    }
    return placed;
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

/** As many of each, one of each in turn. */
function inTurn(count: number, one: (nth: number) => string, other: (nth: number) => string): Sent[] {
  return mixed(sentBy('a', count, one), sentBy('b', count, other), 1);
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
    for (const why of [
      /^\d+ newer versions of it wait; it was tried \d+ times, at last: it answers 500$/,
      /^the server fails for an older version of it while it takes others, and 8 newer ones wait; it was not tried$/,
    ]) {
      assert.ok(
        simulation.givenUp.some(({ detail }) => why.test(detail)),
        String(why),
      );
    }
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
    assert.ok(simulation.texts.every((text) => text === undefined));
    assert.equal(simulation.done.length, 20);
    assert.equal(simulation.line.length, 0);
    assert.equal(simulation.waiting['lfh-sync-c'], 3);
    assert.ok(simulation.pending.length >= 200 && simulation.pending.length < MAX_PENDING);
    assert.equal(simulation.givenUp.length + simulation.pending.length, 1_003);
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
    simulation.run(12 * HOUR);
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

describe('a FHIR server whose database is down', () => {
  it('costs nothing where it still refuses some before it asks the database', () => {
    const simulation = new Simulation(
      sentBy('a', 1_000, (nth) => (nth % 50 === 49 ? `invalid-${nth}` : good(nth))),
      (id) => (id.startsWith('invalid') ? 422 : 500),
    );
    simulation.run(3 * HOUR);
    assert.deepEqual(simulation.givenUp, []);
    simulation.answer = (id) => (id.startsWith('invalid') ? 422 : 200);
    simulation.run(HOUR);
    assert.deepEqual([simulation.done.length, simulation.refused.length, simulation.givenUp.length], [980, 20, 0]);
  });

  it('costs nothing where the transmission is taken over meanwhile, however often', () => {
    const simulation = new Simulation(sentBy('a', 800, good), () => 500);
    for (let times = 0; times < 4; times += 1) {
      simulation.run(HOUR);
      simulation.takeOver();
    }
    assert.deepEqual(simulation.givenUp, []);
    simulation.answer = () => 200;
    simulation.run(HOUR);
    assert.deepEqual([simulation.done.length, simulation.givenUp.length], [800, 0]);
  });

  it('costs nothing where it is back for a moment now and then, and at first not for all', () => {
    const simulation = new Simulation(sentBy('a', 600, good), () => 500);
    for (let times = 0; times < 4; times += 1) {
      simulation.run(HOUR);
      let answers = 0;
      simulation.answer = () => ((answers += 1) % 3 === 0 ? 200 : 500);
      simulation.run(ROUND_MS);
      simulation.answer = () => 500;
    }
    assert.ok(simulation.done.length > 0);
    assert.deepEqual(simulation.givenUp, []);
  });

  it('costs nothing whatever else happens to it, and leaves each resource in its order', () => {
    for (let seed = 1; seed <= 4; seed += 1) {
      const random = randomNumbers(seed);
      const some = (): Sent[] =>
        Array.from({ length: 100 }, () => ({
          from: random() < 0.8 ? 'a' : 'b',
          id: random() < 0.3 ? 'hot' : good(Math.floor(random() * 300)),
        }));
      const simulation = new Simulation(some(), () => 200);
      for (let times = 0; times < 6; times += 1) {
        simulation.run(random() < 0.3 ? MINUTE : HOUR / 2);
        const status = [200, 500, undefined, HANGS][Math.floor(random() * 4)];
        simulation.answer = () => status;
        simulation.add(some());
        if (random() < 0.3) simulation.takeOver();
      }
      simulation.answer = () => 200;
      simulation.run(HOUR);
      assert.deepEqual([simulation.done.length, simulation.givenUp.length], [700, 0], `seed ${seed}`);
    }
  });

  it('is asked for what changes often no more often than for anything else', () => {
    const simulation = new Simulation([...sentBy('a', 150, good), ...sentBy('a', 20, () => 'hot')], () => 500);
    simulation.run(HOUR);
    const attempts = simulation.tried.filter((nth) => nth === 150).length;
    assert.ok(attempts >= 15 && attempts <= 25, `${attempts} attempts`);
    assert.deepEqual(simulation.givenUp, []);
  });
});

describe('a FHIR server that hangs', () => {
  it('for one resource that changes often is sent all others', () => {
    const simulation = new Simulation(
      inTurn(600, () => 'hot', good),
      (id) => (id === 'hot' ? HANGS : 200),
    );
    simulation.run(HOUR);
    assert.equal(simulation.done.length, 600);
    assert.equal(simulation.pending.length, 8);
    simulation.answer = () => 200;
    simulation.tried.length = 0;
    simulation.run(6 * MINUTE);
    assert.deepEqual(
      simulation.tried,
      Array.from({ length: 8 }, (_, nth) => 1_184 + 2 * nth),
    );
  });

  it('for many is sent all others meanwhile', () => {
    const simulation = new Simulation(
      inTurn(600, (nth) => `hanging-${nth}`, good),
      (id) => (id.startsWith('hanging') ? HANGS : 200),
    );
    simulation.run(3 * HOUR);
    assert.equal(simulation.done.length, 600);
    assert.ok(simulation.givenUp.every(({ id }) => id.startsWith('hanging')));
  });

  it('for many that were sent before is sent what is new in between, and takes those when it hangs no more', () => {
    const hanging = (nth: number): string => `hanging-${nth}`;
    const simulation = new Simulation(inTurn(190, hanging, good), (id) => (id.startsWith('hanging') ? HANGS : 200));
    simulation.run(3 * HOUR);
    assert.deepEqual([simulation.done.length, simulation.givenUp.length], [190, 0]);
    simulation.add(sentBy('b', 1_000, (nth) => `late-${nth}`));
    simulation.run(10 * MINUTE);
    assert.equal(simulation.done.length, 1_190);
    simulation.answer = () => 200;
    simulation.run(HOUR);
    assert.deepEqual([simulation.done.length, simulation.pending.length, simulation.givenUp.length], [1_380, 0, 0]);
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

import assert from 'node:assert/strict';
import { RETRY_DEFAULTS } from '../../../../common/contract/fhir-servers.ts';
import { bytesOf } from '../../../../sidecar/replay/record-value.ts';
import { judge, type Verdict } from '../../../../sidecar/transmit/answer.ts';
import { type Circuit, CLOSED } from '../../../../sidecar/transmit/circuit.ts';
import { dueNow, nextDue, takeIncoming } from '../../../../sidecar/transmit/due.ts';
import { readResource } from '../../../../sidecar/transmit/resource.ts';
import {
  chainsOf,
  type Incoming,
  type Round,
  type Settled,
  settle,
  type Task,
} from '../../../../sidecar/transmit/round.ts';
import { retryAfterMs, retryDelay } from '../../../../sidecar/transmit/schedule.ts';
import { decodeState, encodeState, MAX_PENDING, type Pending } from '../../../../sidecar/transmit/state.ts';
import { retransmitRecords } from '../../../kit/golden/messages.ts';
import { connectMessage } from '../../../kit/sites/connect-message.ts';
import { allAtOnce } from '../replay/messages.ts';

const NOW = Date.parse('2026-11-28T08:04:16Z');
const RETRY = RETRY_DEFAULTS;
const FAILING: Circuit = { failures: 3, notBefore: NOW - 1 };
const DONE: Verdict = { kind: 'done' };

function incoming(n: number, id: string | undefined, since = NOW): Incoming {
  const content = { resourceType: 'Patient', ...(id !== undefined && { id }), n };
  const { payload } = connectMessage({ lfhId: 'a', content });
  const place = { topic: 'LFH_SYNC', partition: 0, offset: String(n) };
  return { place, value: payload, since, reading: allAtOnce(readResource(payload, 'b')) };
}

function taskOf(record: Incoming, pending?: Pending): Task {
  const { reading, ...rest } = record;
  assert.ok(reading.kind === 'resource');
  return { ...rest, resource: reading.resource, ...(pending && { pending, since: pending.since }) };
}

function pending(offset: number, change: Partial<Pending> = {}): Pending {
  return {
    partition: 0,
    offset: String(offset),
    uuid: 'u',
    key: `Patient/${offset}`,
    attempts: 1,
    since: NOW,
    notBefore: 0,
    ...change,
  };
}

function answered(status: number, retryAfter?: string): Verdict {
  return judge({ kind: 'answered', status, retryAfter, body: Buffer.from('') }, NOW);
}

const UNREACHABLE = judge({ kind: 'failed', reason: 'Unreachable', detail: 'it refuses the connection' }, NOW);

function settleRound(
  round: Partial<Round>,
  waiting: readonly Pending[] = [],
  circuit = CLOSED,
  retry = RETRY,
): Settled {
  const context = {
    server: 'https://fhir.example.org',
    targetOf: (type: string) => `https://fhir.example.org/${type}`,
    retry,
    limits: { retransmit: 1_000_000, exception: 1_000_000 },
    random: 1,
    now: NOW,
    tookMs: 0,
  };
  return settle(
    context,
    { pending: waiting, circuit },
    { taken: [], tasks: [], verdicts: new Map(), lost: [], surplus: [], ...round },
  );
}

describe('a round of the transmission', () => {
  it('tries none before its time, and none before an earlier one with the same key, which come behind all others', () => {
    const waiting = [
      pending(1, { key: 'k' }),
      pending(2, { key: 'k' }),
      pending(3, { key: 'waits', notBefore: NOW + 1 }),
      pending(4, { key: 'waits' }),
      pending(5, { key: null }),
      pending(6, { key: null }),
    ];
    assert.deepEqual(
      dueNow(waiting, CLOSED, RETRY, NOW).map(({ offset }) => offset),
      ['1', '5', '6', '2'],
    );
    const hot = Array.from({ length: 100 }, (_, index) => pending(index, { key: 'hot' }));
    const due = dueNow([...hot, pending(200, { key: 'other' })], CLOSED, RETRY, NOW);
    assert.deepEqual(
      due.map(({ offset }) => offset),
      ['0', '200', ...hot.slice(1, 31).map(({ offset }) => offset)],
    );
  });

  it('keeps what follows one that fails as it is', () => {
    const waiting = [pending(1, { key: 'k', attempts: 1 }), pending(2, { key: 'k' })];
    const tasks = waiting.map((each) => taskOf(incoming(Number(each.offset), 'k'), each));
    const settled = settleRound({ tasks, verdicts: new Map([[tasks[0] as Task, answered(500)]]) }, waiting);
    assert.deepEqual(
      settled.pending.map((each) => [each.attempts, each.notBefore > NOW]),
      [
        [2, true],
        [1, false],
      ],
    );
    assert.equal(settled.pending[1], waiting[1]);
  });

  it('asks a server that fails with one of each kind, and not before its time', () => {
    const waiting = [pending(1, { attempts: 5 }), pending(2, { attempts: 1 }), pending(3, { attempts: 1 })];
    assert.deepEqual(
      dueNow(waiting, FAILING, RETRY, NOW).map(({ offset }) => offset),
      ['2'],
    );
    const next = [incoming(1, 'a'), incoming(2, 'b')];
    assert.equal(takeIncoming(next, 0, FAILING, RETRY, NOW), 1);
    const early = { failures: 3, notBefore: NOW + 1 };
    assert.deepEqual(dueNow(waiting, early, RETRY, NOW), []);
    assert.equal(takeIncoming(next, 0, early, RETRY, NOW), 0);
  });

  it('tries what is too old as well while the server fails, so that it is given up', () => {
    const old = NOW - RETRY.giveUpAfterSeconds * 1000 - 1;
    const waiting = [pending(1), pending(2, { since: old, attempts: 3 }), pending(3, { since: old, attempts: 3 })];
    assert.equal(dueNow(waiting, FAILING, RETRY, NOW).length, 3);
    assert.equal(
      takeIncoming([incoming(1, 'a', old), incoming(2, 'b', old), incoming(3, 'c')], 0, FAILING, RETRY, NOW),
      2,
    );
  });

  it('takes no more from LFH_SYNC than may wait', () => {
    const next = [incoming(1, 'a'), incoming(2, 'b')];
    assert.equal(takeIncoming(next, MAX_PENDING - 1, CLOSED, RETRY, NOW), 1);
    assert.equal(takeIncoming(next, MAX_PENDING, CLOSED, RETRY, NOW), 0);
  });

  it('does not wait for what is behind another', () => {
    const waiting = [pending(1, { key: 'k', notBefore: NOW + 500 }), pending(2, { key: 'k' })];
    assert.equal(nextDue(waiting, CLOSED, RETRY, NOW), NOW + 500);
    assert.equal(nextDue([], CLOSED, RETRY, NOW), undefined);
  });

  it('does not wait for a time further ahead than any delay, which a wrong clock has written', () => {
    const hour = 3_600_000;
    const waiting = [pending(1, { notBefore: NOW + hour }), pending(2, { notBefore: NOW + hour + 1 })];
    assert.deepEqual(
      dueNow(waiting, CLOSED, RETRY, NOW).map(({ offset }) => offset),
      ['2'],
    );
    assert.ok((nextDue(waiting, CLOSED, RETRY, NOW) ?? NOW) < NOW);
    assert.equal(nextDue(waiting.slice(0, 1), CLOSED, RETRY, NOW), NOW + hour);
    const wrong = { failures: 3, notBefore: NOW + hour + 1 };
    assert.equal(dueNow(waiting, wrong, RETRY, NOW).length, 1);
    assert.equal(takeIncoming([incoming(1, 'a')], 0, wrong, RETRY, NOW), 1);
    assert.ok((nextDue(waiting, wrong, RETRY, NOW) ?? NOW) < NOW);
  });

  it('sends those with one key one after the other, and those behind one that waits not at all', () => {
    const [one, two, other, blocked] = [incoming(1, 'x'), incoming(2, 'x'), incoming(3, 'y'), incoming(4, 'z')].map(
      (each) => taskOf(each),
    ) as [Task, Task, Task, Task];
    assert.deepEqual(chainsOf([one, two, other, blocked], [pending(9, { key: 'Patient/z' })]), [[one, two], [other]]);
  });

  it('keeps what failed in RETRANSMIT, and what is behind it', () => {
    const taken = [incoming(1, 'x'), incoming(2, 'x'), incoming(3, 'y')];
    const tasks = taken.map((each) => taskOf(each));
    const verdicts = new Map([
      [tasks[0] as Task, answered(500)],
      [tasks[2] as Task, DONE],
    ]);
    const settled = settleRound({ taken, tasks, verdicts });
    assert.deepEqual(
      settled.records.map(({ topic }) => topic),
      ['RETRANSMIT', 'RETRANSMIT'],
    );
    assert.deepEqual(
      settled.pending.map(({ attempts, notBefore, key }) => ({ attempts, notBefore, key })),
      [
        { attempts: 1, notBefore: NOW + 1000, key: 'Patient/x' },
        { attempts: 0, notBefore: 0, key: 'Patient/x' },
      ],
    );
    assert.deepEqual([settled.delivered, settled.failed, settled.circuit], [1, 1, CLOSED]);
  });

  it("writes RETRANSMIT in the fields and the order of connect's", () => {
    const taken = [incoming(1, 'x')];
    const tasks = taken.map((each) => taskOf(each));
    const { records } = settleRound({ taken, tasks, verdicts: new Map([[tasks[0] as Task, UNREACHABLE]]) });
    const ours = JSON.parse(String(records[0] && bytesOf(records[0].value))) as Record<string, unknown>;
    const [golden] = retransmitRecords();
    const theirs = JSON.parse(String(golden)) as Record<string, unknown>;
    assert.deepEqual(Object.keys(ours), Object.keys(theirs));
    assert.equal(ours.status, theirs.status);
    assert.match(String(ours.data_record_location), /^[A-Za-z0-9_-]*:[0-9]*:[0-9]*$/);
    assert.equal(ours.transmit_date, '2026-11-28 08:04:16Z');
    assert.equal(records[0]?.headers, undefined);
  });

  it('blames the server where nothing was answered, and the resource where another was', () => {
    const taken = [incoming(1, 'x'), incoming(2, 'y')];
    const [x, y] = taken.map((each) => taskOf(each)) as [Task, Task];
    const alone = settleRound({ taken, tasks: [x, y], verdicts: new Map([[x, UNREACHABLE]]) });
    assert.deepEqual(alone.circuit, { failures: 1, notBefore: NOW + 1000 });
    const beside = settleRound({
      taken,
      tasks: [x, y],
      verdicts: new Map([
        [x, UNREACHABLE],
        [y, answered(422)],
      ]),
    });
    assert.deepEqual(beside.circuit, CLOSED);
    assert.equal(beside.pending[0]?.notBefore, NOW + 1000);
  });

  it('waits for as long as the server asks', () => {
    const taken = [incoming(1, 'x'), incoming(2, 'y')];
    const [x, y] = taken.map((each) => taskOf(each)) as [Task, Task];
    const { circuit } = settleRound({
      taken,
      tasks: [x, y],
      verdicts: new Map([
        [x, answered(429, '120')],
        [y, DONE],
      ]),
    });
    assert.deepEqual(circuit, { failures: 1, notBefore: NOW + 120_000 });
  });

  it('gives up by age and by count', () => {
    const old = pending(7, { since: NOW - RETRY.giveUpAfterSeconds * 1000 - 1 });
    const often = pending(8, { attempts: 4 });
    const young = pending(9);
    const tasks = [old, often, young].map((each) => taskOf(incoming(1, each.offset), each));
    const verdicts = new Map(tasks.map((task) => [task, answered(500)]));
    const settled = settleRound({ tasks, verdicts }, [old, often, young], CLOSED, { ...RETRY, maxAttempts: 5 });
    assert.deepEqual(
      settled.pending.map((each) => ('offset' in each ? each.offset : 'new')),
      ['9'],
    );
    assert.deepEqual(
      settled.undelivered.map(({ reason, status }) => [reason, status]),
      [
        ['TransmitGivenUp', 500],
        ['TransmitGivenUp', 500],
      ],
    );
  });

  it('says what RETRANSMIT has lost', () => {
    const gone = pending(7, { uuid: 'the-uuid' });
    const settled = settleRound({ lost: [gone] }, [gone, pending(8)]);
    assert.equal(settled.pending.length, 1);
    assert.match(String(settled.records[0] && bytesOf(settled.records[0].value)), /the-uuid.*retention/);
  });

  it('gives up what is larger than RETRANSMIT takes', () => {
    const { payload } = connectMessage({
      lfhId: 'a',
      content: { resourceType: 'Patient', text: 'x'.repeat(1_000_000) },
    });
    const place = { topic: 'LFH_SYNC', partition: 0, offset: '1' };
    const taken: Incoming[] = [{ place, value: payload, since: NOW, reading: allAtOnce(readResource(payload, 'b')) }];
    const tasks = taken.map((each) => taskOf(each));
    const settled = settleRound({ taken, tasks, verdicts: new Map([[tasks[0] as Task, answered(500)]]) });
    assert.deepEqual(settled.pending, []);
    assert.equal(settled.undelivered[0]?.reason, 'TransmitGivenUp');
  });
});

describe('the answer', () => {
  for (const [statuses, expected] of [
    [[200, 201, 204, 299], 'done'],
    [[301, 307, 401, 407, 429], 'failed by the server'],
    [[408, 502, 503, 504], 'failed by whom is unclear'],
    [[425, 500, 501, 507], 'failed by the resource'],
    [[400, 403, 404, 409, 410, 412, 413, 415, 422], 'refused'],
  ] as const) {
    for (const status of statuses) {
      it(`${status} means ${expected}`, () => {
        const verdict = answered(status);
        const words = { server: 'the server', resource: 'the resource', unclear: 'whom is unclear' };
        const found = verdict.kind === 'failed' ? `failed by ${words[verdict.scope]}` : verdict.kind;
        assert.equal(found, expected);
      });
    }
  }

  it("has its OperationOutcome's issues", () => {
    const issue = [{ severity: 'error', code: 'x', details: { text: 'd' }, diagnostics: 'g' }, 7, {}];
    const body = Buffer.from(JSON.stringify({ resourceType: 'OperationOutcome', issue }));
    const verdict = judge({ kind: 'answered', status: 422, retryAfter: undefined, body }, NOW);
    assert.deepEqual(verdict, { kind: 'refused', status: 422, outcome: 'error x d g' });
  });
});

describe('the schedule', () => {
  it('doubles from 1 s up to the longest, with jitter of half', () => {
    const most = [1, 2, 3, 9, 10, 1000].map((failures) => retryDelay(failures, 1, RETRY) / 1000);
    assert.deepEqual(most, [1, 2, 4, 256, 300, 300]);
    assert.equal(retryDelay(3, 0, RETRY), 2000);
  });

  for (const [value, ms] of [
    ['120', 120_000],
    [' 5 ', 5_000],
    ['999999', 3_600_000],
    ['Sat, 28 Nov 2026 08:04:26 GMT', 10_000],
    ['Sat, 28 Nov 2020 08:04:26 GMT', 0],
    ['soon', undefined],
    [undefined, undefined],
  ] as const) {
    it(`reads Retry-After: ${value}`, () => assert.equal(retryAfterMs(value, NOW), ms));
  }
});

describe('the state of a transmission', () => {
  it('is read back as it was written', () => {
    const state = { offsets: { 0: '12', 1: '0' }, pending: [pending(1), pending(2, { key: null })] };
    assert.deepEqual(decodeState(encodeState(state)), state);
  });

  for (const text of ['', '7', '{}', '{"offsets":{"x":"1"},"pending":[]}', '{"offsets":{},"pending":[{}]}']) {
    it(`is not read from ${text || 'nothing'}`, () => assert.equal(decodeState(text), undefined));
  }
});

import assert from 'node:assert/strict';
import {
  type Accesses,
  advanceAccesses,
  leavesOut,
  peersToProbe,
} from '../../../../../operator/plan/nats/peer-access.ts';
import type { PeerAccess } from '../../../../../operator/plan/observed/observed.ts';
import type { Plan } from '../../../../../operator/plan/plan.ts';
import { aPeer, NOW, natsOf, observedOf, planOf, settledPlanOf, userKey } from '../fixtures.ts';

const SERVED: PeerAccess = { served: true, connectedKeys: [userKey('b')] };
const NOT_SERVED: PeerAccess = { served: false, connectedKeys: [] };
const MINUTE_MS = 60_000;

const B = aPeer('b');
const C = aPeer('c');
const plan = settledPlanOf(observedOf([B, C]));

const seen = (access: PeerAccess, secondsAgo: number) => ({ access, at: NOW - secondsAgo * 1000 });
const known = (entries: Readonly<Record<string, ReturnType<typeof seen>>>): Accesses =>
  new Map(Object.entries(entries));
const namesOf = (from: Pick<Plan, 'granted' | 'files'>, accesses: Accesses, now = NOW): string[] =>
  peersToProbe({ granted: from.granted, phase: from.files?.phase }, accesses, now).map(({ metadata }) => metadata.name);

describe("looking into peers' accounts", () => {
  const ROWS: readonly [what: string, accesses: Accesses, looked: readonly string[]][] = [
    ['those never looked at', known({}), ['b', 'c']],
    ['those not seen to be served, however lately', known({ b: seen(NOT_SERVED, 1), c: seen(SERVED, 1) }), ['b']],
    ['nobody who was just seen to be served', known({ b: seen(SERVED, 59), c: seen(SERVED, 0) }), []],
    ['those seen a minute ago', known({ b: seen(SERVED, 61), c: seen(SERVED, 59) }), ['b']],
    ['those seen longest ago first', known({ b: seen(SERVED, 70), c: seen(SERVED, 90) }), ['c', 'b']],
    ['those never looked at before those not served', known({ b: seen(NOT_SERVED, 90) }), ['c', 'b']],
    ['those seen by a clock that was put back since', known({ b: seen(SERVED, -3600), c: seen(SERVED, -59) }), ['b']],
    ['nobody who is not let in', known({ gone: seen(NOT_SERVED, 90), b: seen(SERVED, 0), c: seen(SERVED, 0) }), []],
  ];
  for (const [what, accesses, looked] of ROWS) {
    it(`looks at ${what}`, () => assert.deepEqual(namesOf(plan, accesses), looked));
  }

  it('waits for the second of two reloads: a server would only log that it refuses', () => {
    assert.equal(planOf(observedOf([B, C])).files?.phase, 'first');
    assert.deepEqual(namesOf(planOf(observedOf([B, C])), known({})), []);
    assert.deepEqual(namesOf({ granted: [B], files: undefined }, known({})), []);
  });

  it('comes to everybody, though nobody is ever served: a turn has 25 looks', () => {
    const many = Array.from({ length: 60 }, (_, index) => aPeer(`peer-${index}`));
    const some = { granted: many, files: plan.files };
    const looked = new Set<string>();
    let accesses = known({});
    for (let turn = 0; turn < 3; turn += 1) {
      const now = NOW + turn * 1000;
      const names = namesOf(some, accesses, now);
      assert.equal(names.length, 25);
      for (const name of names) looked.add(name);
      const access = new Map(names.map((name) => [name, NOT_SERVED]));
      accesses = advanceAccesses(accesses, some.granted, { nats: natsOf([], { access }), sidecars: [] }, now);
    }
    assert.equal(looked.size, 60);
  });
});

describe("what is known of peers' accounts", () => {
  const before = known({ b: seen(SERVED, 90), c: seen(SERVED, 30), gone: seen(SERVED, 10) });

  it('is what was seen now, else what was seen before, and of nobody who is not let in any more', () => {
    const nats = natsOf([], { access: new Map([['b', NOT_SERVED]]) });
    const after = advanceAccesses(before, plan.granted, { nats, sidecars: undefined }, NOW + MINUTE_MS);
    assert.deepEqual(
      [...after],
      [
        ['b', { access: NOT_SERVED, at: NOW + MINUTE_MS }],
        ['c', before.get('c')],
      ],
    );
  });

  it('stays while NATS cannot be asked', () => {
    const after = advanceAccesses(before, plan.granted, { nats: undefined, sidecars: undefined }, NOW);
    assert.deepEqual([...after.keys()], ['b', 'c']);
    assert.deepEqual(after.get('b'), before.get('b'));
  });
});

describe('what is live', () => {
  const writtenAt = NOW - 2 * MINUTE_MS;
  const ROWS: readonly [what: string, accesses: Accesses, writtenAt: number, expected: boolean][] = [
    [
      'leaves somebody out who was looked at long after it was written',
      known({ b: seen(NOT_SERVED, 5) }),
      writtenAt,
      true,
    ],
    ['leaves nobody out who was not looked at since', known({ b: seen(NOT_SERVED, 110) }), writtenAt, false],
    ['leaves nobody out while it is new', known({ b: seen(NOT_SERVED, 1) }), NOW - 50_000, false],
    ['leaves nobody out where all are served', known({ b: seen(SERVED, 5), c: seen(SERVED, 90) }), writtenAt, false],
    ['leaves nobody out where nobody is', known({}), writtenAt, false],
  ];
  for (const [what, accesses, at, expected] of ROWS) {
    it(what, () => assert.equal(leavesOut(accesses, at, NOW), expected));
  }
});

import assert from 'node:assert/strict';
import {
  type Accesses,
  advanceAccesses,
  type KnownAccess,
  leavesOut,
  peersToProbe,
} from '../../../../../operator/plan/nats/probes.ts';
import type { PeerAccess } from '../../../../../operator/plan/observed/observed.ts';
import type { Plan } from '../../../../../operator/plan/plan.ts';
import { aPeer, NOW, natsOf, observedOf, planOf, settledPlanOf, userKey } from '../fixtures.ts';

const SERVED: PeerAccess = { served: true, connectedKeys: [userKey('b')] };
const NOT_SERVED: PeerAccess = { served: false, connectedKeys: [] };
const MINUTE_MS = 60_000;

const B = aPeer('b');
const C = aPeer('c');
const plan = settledPlanOf(observedOf([B, C]));

const seen = (access: PeerAccess, secondsAgo: number, connectionsAgo = secondsAgo) => ({
  access,
  at: NOW - secondsAgo * 1000,
  connectionsAt: NOW - connectionsAgo * 1000,
});
/** Whether it is served was asked, and nothing else. */
const seenServed = (secondsAgo: number) => ({ access: { served: true }, at: NOW - secondsAgo * 1000 });
const known = (entries: Readonly<Record<string, KnownAccess>>): Accesses => new Map(Object.entries(entries));
/** `+` after a name: its connections are asked for as well. */
const namesOf = (from: Pick<Plan, 'granted' | 'files'>, accesses: Accesses, now = NOW): string[] =>
  peersToProbe({ granted: from.granted, phase: from.files?.phase }, accesses, now).map(
    ({ peer, connections }) => peer.metadata.name + (connections ? '+' : ''),
  );

describe('peersToProbe', () => {
  const ROWS: readonly [what: string, accesses: Accesses, looked: readonly string[]][] = [
    ['peers that were never probed, and asks only whether they are served', known({}), ['b', 'c']],
    [
      'peers that were not served when they were probed, however recently',
      known({ b: seen(NOT_SERVED, 1), c: seen(SERVED, 1) }),
      ['b'],
    ],
    ['peers whose connections were not seen yet', known({ b: seenServed(0), c: seen(SERVED, 0) }), ['b+']],
    ['no peer that was served a moment ago', known({ b: seen(SERVED, 59), c: seen(SERVED, 0) }), []],
    ['peers that were served more than a minute ago', known({ b: seen(SERVED, 61), c: seen(SERVED, 59) }), ['b+']],
    [
      'peers whose connections were seen more than a minute ago, though they were seen to be served since',
      known({ b: seen(SERVED, 1, 61), c: seen(SERVED, 1) }),
      ['b+'],
    ],
    ['the peers that were probed longest ago first', known({ b: seen(SERVED, 70), c: seen(SERVED, 90) }), ['c+', 'b+']],
    ['peers that were never probed before those that were not served', known({ b: seen(NOT_SERVED, 90) }), ['c', 'b+']],
    [
      'peers that were probed before the clock was put back',
      known({ b: seen(SERVED, -3600), c: seen(SERVED, -59) }),
      ['b+'],
    ],
    ['no peer that is not let in', known({ gone: seen(NOT_SERVED, 90), b: seen(SERVED, 0), c: seen(SERVED, 0) }), []],
  ];
  for (const [what, accesses, looked] of ROWS) {
    it(`gives ${what}`, () => assert.deepEqual(namesOf(plan, accesses), looked));
  }

  it('waits for the second of two reloads, before which a server would only log that it refuses the probe', () => {
    assert.equal(planOf(observedOf([B, C])).files?.phase, 'first');
    assert.deepEqual(namesOf(planOf(observedOf([B, C])), known({})), []);
    assert.deepEqual(namesOf({ granted: [B], files: undefined }, known({})), []);
  });

  const granted = (count: number) => Array.from({ length: count }, (_, index) => aPeer(`peer-${index}`));

  it('comes to every new peer at once, however many there are', () => {
    const names = namesOf({ granted: granted(200), files: plan.files }, known({}));
    assert.equal(names.length, 200);
    assert.ok(!names.some((name) => name.endsWith('+')));
  });

  const AGAIN: readonly [count: number, inEach: number, reconciles: number][] = [
    [60, 25, 3],
    [1_000, 84, 12],
  ];
  for (const [count, inEach, reconciles] of AGAIN) {
    it(`comes to every one of ${count} peers again in ${reconciles} reconciles, even if none is ever served`, () => {
      const some = { granted: granted(count), files: plan.files };
      const looked = new Set<string>();
      let accesses: Accesses = new Map(
        some.granted.map(({ metadata }) => [metadata.name, { access: NOT_SERVED, at: NOW - 1 }]),
      );
      for (let reconcile = 0; reconcile < reconciles; reconcile += 1) {
        const now = NOW + reconcile * 1000;
        const probes = peersToProbe({ granted: some.granted, phase: 'final' }, accesses, now);
        assert.equal(probes.length, inEach);
        const names = probes.map(({ peer }) => peer.metadata.name);
        for (const name of names) looked.add(name);
        const access = new Map(names.map((name) => [name, { ...NOT_SERVED, connections: [] }]));
        accesses = advanceAccesses(accesses, some.granted, { nats: natsOf([], { access }), sidecars: [] }, now);
      }
      assert.equal(looked.size, count);
    });
  }
});

describe('advanceAccesses', () => {
  const before = known({ b: seen(SERVED, 90), c: seen(SERVED, 30), gone: seen(SERVED, 10) });

  it('keeps the newest access of each peer that is let in, with what nobody asked about now, and forgets the others', () => {
    const nats = natsOf([], { access: new Map([['b', { served: false }]]) });
    const after = advanceAccesses(before, plan.granted, { nats, sidecars: undefined }, NOW + MINUTE_MS);
    assert.deepEqual(
      [...after],
      [
        ['b', { access: { ...SERVED, served: false }, at: NOW + MINUTE_MS, connectionsAt: NOW - 90_000 }],
        ['c', before.get('c')],
      ],
    );
  });

  it('tells how much a peer has sent in each second between two looks', () => {
    const sent = (messages: number): PeerAccess => ({
      ...SERVED,
      connections: [{ id: 's 1', sent: messages, lastedSeconds: 900, closedForSeconds: 0 }],
    });
    const look = (before: Accesses, access: PeerAccess, now: number): Accesses => {
      const nats = natsOf([], { access: new Map([['b', access]]) });
      return advanceAccesses(before, plan.granted, { nats, sidecars: undefined }, now);
    };
    const first = look(new Map(), sent(1_000), NOW);
    assert.equal(first.get('b')?.messagesPerSecond, undefined);
    const second = look(first, sent(301_000), NOW + MINUTE_MS);
    assert.equal(second.get('b')?.messagesPerSecond, 5_000);
    const full = look(second, { served: false, connectedKeys: [], full: true }, NOW + 2 * MINUTE_MS);
    assert.deepEqual(full.get('b'), {
      access: { ...sent(301_000), full: true },
      at: NOW + MINUTE_MS,
      connectionsAt: NOW + MINUTE_MS,
      messagesPerSecond: 5_000,
    });
    // It is let in again; what was not asked now was seen a minute before.
    const served = look(full, { served: true }, NOW + 2 * MINUTE_MS);
    assert.deepEqual(served.get('b'), { ...second.get('b'), at: NOW + 2 * MINUTE_MS });
    const [at, connectionsAt] = [NOW + 3 * MINUTE_MS, NOW + 3 * MINUTE_MS];
    const third = look(served, sent(301_120), at);
    assert.deepEqual(third.get('b'), { access: sent(301_120), at, connectionsAt, messagesPerSecond: 1 });
  });

  it('keeps what is known while NATS cannot be asked', () => {
    const after = advanceAccesses(before, plan.granted, { nats: undefined, sidecars: undefined }, NOW);
    assert.deepEqual([...after.keys()], ['b', 'c']);
    assert.deepEqual(after.get('b'), before.get('b'));
  });
});

describe('leavesOut', () => {
  const writtenAt = NOW - 2 * MINUTE_MS;
  const ROWS: readonly [what: string, accesses: Accesses, writtenAt: number, expected: boolean][] = [
    [
      'is true for a peer that was not served long after the configuration was written',
      known({ b: seen(NOT_SERVED, 5) }),
      writtenAt,
      true,
    ],
    [
      'is false for a peer whose account has no room for the probe',
      known({ b: seen({ ...NOT_SERVED, full: true }, 5) }),
      writtenAt,
      false,
    ],
    [
      'is false for a peer that was not probed since the configuration was written',
      known({ b: seen(NOT_SERVED, 110) }),
      writtenAt,
      false,
    ],
    ['is false while the configuration is new', known({ b: seen(NOT_SERVED, 1) }), NOW - 50_000, false],
    ['is false where every peer is served', known({ b: seen(SERVED, 5), c: seen(SERVED, 90) }), writtenAt, false],
    ['is false without peers', known({}), writtenAt, false],
  ];
  for (const [what, accesses, at, expected] of ROWS) {
    it(what, () => assert.equal(leavesOut(accesses, at, NOW), expected));
  }
});

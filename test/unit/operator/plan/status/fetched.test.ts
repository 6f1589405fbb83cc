import assert from 'node:assert/strict';
import type { ObservedDurable, ObservedNats } from '../../../../../operator/plan/observed/observed.ts';
import { advanceFetched, expiresSoon, expiryOf, type Fetched } from '../../../../../operator/plan/status/fetched.ts';
import { aPeer, durableOf, NOW, natsOf } from '../fixtures.ts';

const [LONG_AGO, THEN] = [NOW - 3_600_000, NOW - 10_000];
const MARK = { sequence: 70, at: THEN };
const WAITS: Fetched = { upTo: LONG_AGO, all: false, mark: MARK };

function after(
  before: Fetched | undefined,
  durable: Partial<ObservedDurable>,
  nats: Partial<ObservedNats> = {},
  behindSince?: string,
): Fetched | undefined {
  const peer = aPeer('b', behindSince === undefined ? {} : { status: { send: { behindSince } } });
  return advanceFetched(before, peer, durableOf('b', durable), natsOf([], { streamLast: 90, ...nats }), NOW);
}

describe('how far a peer has fetched', () => {
  const here = { sequence: 90, at: NOW };
  const ROWS: readonly [what: string, found: Fetched | undefined, expected: Fetched | undefined][] = [
    ['is now while nothing waits', after(WAITS, { ackFloor: 70 }), { upTo: NOW, all: true, mark: here }],
    [
      'stays while the peer has what waits but has not acknowledged it',
      after(WAITS, { ackFloor: 69, unacknowledged: 1 }),
      WAITS,
    ],
    ['stays while the peer acknowledges nothing', after(WAITS, { ackFloor: 40, pending: 50 }), WAITS],
    ['stays while the peer is not where the stream once ended', after(WAITS, { ackFloor: 69, pending: 21 }), WAITS],
    [
      'is when the stream ended there, once the peer has acknowledged that, however much waits by then',
      after(WAITS, { ackFloor: 70, pending: 20 }),
      { upTo: THEN, all: false, mark: here },
    ],
    [
      'is not before the oldest message that the stream still has',
      after(WAITS, { ackFloor: 40, pending: 50 }, { streamFirstTime: LONG_AGO + 5 }),
      { ...WAITS, upTo: LONG_AGO + 5 },
    ],
    [
      'goes on from the status after a restart of the operator',
      after(undefined, { ackFloor: 40, pending: 50 }, { streamFirstTime: 1 }, new Date(LONG_AGO).toISOString()),
      { upTo: LONG_AGO, all: false, mark: here },
    ],
    [
      'is that of the oldest message where nothing else is known: too early rather than too late',
      after(undefined, { ackFloor: 40, pending: 50 }, { streamFirstTime: LONG_AGO }),
      { upTo: LONG_AGO, all: false, mark: here },
    ],
    ['is not known where not even that is', after(undefined, { ackFloor: 40, pending: 50 }), undefined],
    ['is not known of a peer that never acknowledged anything', after(WAITS, { ackFloor: 0, pending: 90 }), undefined],
    ['stays as it is while the stream cannot be asked', after(WAITS, {}, { streamLast: undefined }), WAITS],
  ];
  for (const [what, found, expected] of ROWS) it(what, () => assert.deepEqual(found, expected));

  it('says when messages expire that it may lack, and whether that is soon', () => {
    const hour = 3_600_000;
    assert.equal(expiryOf(WAITS, 2 * hour), LONG_AGO + 2 * hour);
    assert.deepEqual(
      [1.2, 1.4].map((hours) => expiresSoon(WAITS, hours * hour, NOW)),
      [true, false],
    );
    for (const [fetched, maxAge] of [
      [WAITS, undefined],
      [{ ...WAITS, all: true }, hour],
      [undefined, hour],
    ] as const) {
      assert.deepEqual([expiryOf(fetched, maxAge), expiresSoon(fetched, maxAge, NOW)], [undefined, false]);
    }
  });
});

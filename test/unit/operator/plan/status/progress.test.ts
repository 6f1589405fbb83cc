import assert from 'node:assert/strict';
import type { PeerStatus } from '../../../../../common/contract/status.ts';
import type { ObservedDurable } from '../../../../../operator/plan/observed/observed.ts';
import { advanceProgress } from '../../../../../operator/plan/status/progress.ts';
import { STANDSTILL_MS, since } from '../../../../../operator/plan/status/verdict.ts';
import { aPeer, durableOf, NOW, natsOf, observedOf, peerReport, planOf, sidecarOf } from '../fixtures.ts';

const { peers } = planOf(observedOf([aPeer('b')]));
const THEN = NOW - 90_000;

type Kept = { readonly mark: number; readonly since: number };

/** What is known after a reconcile about a direction that had got to 40 a while ago. */
function received(report: Partial<PeerStatus> | undefined, before: Kept | null = { mark: 40, since: THEN }): Kept {
  const sidecars = report && [sidecarOf([peerReport('b', report)])];
  return kept(before, { nats: undefined, sidecars }).received;
}

function sent(durable: Partial<ObservedDurable> | undefined, before: Kept | null = { mark: 40, since: THEN }): Kept {
  const nats = durable && natsOf([durableOf('b', durable)]);
  return kept(before, { nats, sidecars: undefined }).sent;
}

function kept(before: Kept | null, dataPlane: Parameters<typeof advanceProgress>[2]) {
  const known = new Map(before ? [['b', { received: before, sent: before }]] : []);
  const found = advanceProgress(known, peers, dataPlane, NOW).get('b');
  assert.ok(found);
  return found;
}

const at = (sequence: number) => ({ position: { sequence, time: null, identity: null } });

describe('the progress of a direction', () => {
  const ROWS: readonly [what: string, found: Kept, expected: Kept][] = [
    [
      'receiving: counts on while messages wait and the position stays',
      received({ ...at(40), lag: 3 }),
      { mark: 40, since: THEN },
    ],
    ['receiving: starts again when the position moves', received({ ...at(41), lag: 3 }), { mark: 41, since: NOW }],
    [
      'receiving: starts again when the position goes back, as that of a new stream',
      received({ ...at(1), lag: 3 }),
      { mark: 1, since: NOW },
    ],
    ['receiving: starts again while nothing waits', received({ ...at(40), lag: 0 }), { mark: 40, since: NOW }],
    [
      'receiving: counts on while it is not known what waits',
      received({ ...at(40), lag: null }),
      { mark: 40, since: THEN },
    ],
    ['receiving: starts with the first report', received({ ...at(40), lag: 3 }, null), { mark: 40, since: NOW }],
    ['receiving: starts again when no sidecar can be asked', received(undefined), { mark: 0, since: NOW }],
    [
      'sending: counts on while the peer acknowledges nothing',
      sent({ ackFloor: 40, pending: 3 }),
      { mark: 40, since: THEN },
    ],
    ['sending: starts again when it acknowledges', sent({ ackFloor: 41, pending: 3 }), { mark: 41, since: NOW }],
    [
      'sending: starts again while it waits for more and has everything',
      sent({ ackFloor: 40 }),
      { mark: 40, since: NOW },
    ],
    [
      'sending: counts on while the peer does not ask, though nothing waits',
      sent({ ackFloor: 40, waiting: 0 }),
      { mark: 40, since: THEN },
    ],
    [
      'sending: starts again when NATS cannot be asked: nobody could fetch then',
      sent(undefined),
      { mark: 0, since: NOW },
    ],
  ];
  for (const [what, found, expected] of ROWS) it(what, () => assert.deepEqual(found, expected));

  it('stands still after a restart of the operator where the status said so before, until something moves', () => {
    const condition = (type: string, reason: string) => ({
      type,
      status: 'False' as const,
      reason,
      message: '',
      lastTransitionTime: '',
    });
    const conditions = [condition('ReceiveReady', 'Lagging'), condition('SendReady', 'NoPull')];
    const status = { conditions, receive: { position: 40 }, send: { ackFloor: 40 } };
    const { peers: before } = planOf(observedOf([aPeer('b', { status })]));
    const after = (sequence: number) => {
      const sidecars = [sidecarOf([peerReport('b', { ...at(sequence), lag: 3 })])];
      const nats = natsOf([durableOf('b', { ackFloor: sequence, waiting: 0 })]);
      const found = advanceProgress(new Map(), before, { nats, sidecars }, NOW).get('b');
      return [found?.received, found?.sent].map((each) => since(each, NOW) > STANDSTILL_MS);
    };
    assert.deepEqual(after(40), [true, true]);
    assert.deepEqual(after(41), [false, false]);
  });

  it('is kept for the peers that exist and for no other', () => {
    const known = new Map([['gone', { received: { mark: 1, since: THEN }, sent: { mark: 1, since: THEN } }]]);
    assert.deepEqual([...advanceProgress(known, peers, { nats: undefined, sidecars: [] }, NOW).keys()], ['b']);
  });

  it('has stood still for 0 ms where nothing is known of it', () => {
    assert.equal(since(undefined, NOW), 0);
    assert.equal(since({ mark: 0, since: THEN }, NOW), 90_000);
  });
});

import assert from 'node:assert/strict';
import type { PeerStatus } from '../../../../../common/contract/status.ts';
import { advanceProgress, type Progresses } from '../../../../../operator/plan/status/progress.ts';
import {
  advanceStale,
  plannedSettings,
  type StaleSettings,
} from '../../../../../operator/plan/status/settings-live.ts';
import { aPeer, NOW, observedOf, peerReport, planOf, sidecarOf } from '../fixtures.ts';

const plan = planOf(observedOf([aPeer('b')]));
const planned = plannedSettings(plan) ?? '';
const [EARLIER, EARLIEST] = ['aaaaaaaaaaaa', 'bbbbbbbbbbbb'];

describe('the settings that are planned', () => {
  it('have another digest with another peer, and the same for the same plan', () => {
    assert.match(planned, /^[0-9a-f]{12}$/);
    assert.equal(plannedSettings(planOf(observedOf([aPeer('b')]))), planned);
    assert.notEqual(plannedSettings(planOf(observedOf([aPeer('b'), aPeer('c')]))), planned);
  });
});

describe('since when sidecars have had other settings', () => {
  const THEN = NOW - 90_000;
  const settingsOf = (digest: string | null) => sidecarOf([], { settings: { state: 'Current', message: '', digest } });
  const stale = (before: StaleSettings, ...digests: (string | null)[]): [string, number][] => [
    ...advanceStale(before, plan, digests.map(settingsOf), NOW),
  ];

  it('is counted for each of these settings from when they were seen first', () => {
    assert.deepEqual(stale(new Map(), planned, EARLIER), [[EARLIER, NOW]]);
    assert.deepEqual(stale(new Map([[EARLIER, THEN]]), EARLIER, EARLIEST), [
      [EARLIER, THEN],
      [EARLIEST, NOW],
    ]);
  });

  it('begins anew when the sidecar has followed to others, and ends when it has the newest', () => {
    assert.deepEqual(stale(new Map([[EARLIEST, THEN]]), EARLIER), [[EARLIER, NOW]]);
    assert.deepEqual(stale(new Map([[EARLIER, THEN]]), planned), []);
  });

  it('is not known of an older sidecar, nor of one with the settings of a person', () => {
    assert.deepEqual(stale(new Map(), null), []);
  });

  it('stays while sidecars cannot be asked', () => {
    const before = new Map([[EARLIER, THEN]]);
    assert.equal(advanceStale(before, plan, undefined, NOW), before);
  });
});

describe('since when a peer is replayed by other settings', () => {
  const THEN = NOW - 90_000;
  const moved = { mark: 40, since: NOW };
  const before = (staleSince: number | undefined): Progresses =>
    new Map([['b', { received: moved, sent: moved, staleSince }]]);
  const since = (known: Progresses, report: Partial<PeerStatus> | undefined): number | undefined => {
    const sidecars = [sidecarOf(report ? [peerReport('b', report)] : [])];
    return advanceProgress(known, plan.peers, { nats: undefined, sidecars }, NOW).get('b')?.staleSince;
  };

  it('begins when it is seen, goes on while it is so, and ends when it is not', () => {
    assert.equal(since(new Map(), { digest: EARLIER }), NOW);
    assert.equal(since(before(THEN), { digest: EARLIEST }), THEN);
    assert.equal(since(before(THEN), { digest: plan.peers[0]?.digest ?? null }), undefined);
  });

  it('stays while nobody reports on the peer', () => assert.equal(since(before(THEN), undefined), THEN));
});

import assert from 'node:assert/strict';
import { requeueAfterMs } from '../../../../operator/controller/requeue.ts';
import type { DataPlane, ServerReport } from '../../../../operator/plan/observed/observed.ts';
import { nodeAndPeerStatuses } from '../../../../operator/plan/status/status.ts';
import { aPeer, NOW, natsOf, observedOf, planOf, settledPlanOf, USE, wellFor } from '../plan/fixtures.ts';

describe('the next reconcile of a node', () => {
  const observed = observedOf([aPeer('b')]);
  const { dataPlane: well, known } = wellFor(observed.peers);
  const first = planOf(observed);
  const final = settledPlanOf(observed);
  const serversAre = (...outcomes: ServerReport['outcome'][]): DataPlane => {
    const servers = outcomes.map((outcome, n) => ({ server: `nats-${n}:4222`, outcome, message: '' }));
    return { ...well, nats: natsOf(well.nats?.durables ?? [], { servers }) };
  };
  function after(plan: typeof final, dataPlane: DataPlane, writtenMsAgo: number, activeMsAgo = writtenMsAgo): number {
    const statuses = nodeAndPeerStatuses(observed, { plan, keyStep: USE, dataPlane, now: NOW, ...known });
    const memory = { writtenAt: NOW - writtenMsAgo, activeAt: NOW - activeMsAgo };
    return requeueAfterMs(statuses, plan, dataPlane, memory, NOW);
  }

  it('comes every 10 s where all is well', () => assert.equal(after(final, well, 0), 10_000));

  it('comes at once when the first of two reloads is done', () => {
    assert.equal(first.files?.phase, 'first');
    assert.equal(after(first, serversAre('Live', 'Live'), 500), 0);
  });

  it('comes at once when the first of two reloads is done at every server that is ready', () => {
    const [live, stale] = serversAre('Live', 'ConfigNotLive').nats?.servers ?? [];
    assert.ok(live && stale);
    const servers = [live, { ...stale, notReady: true as const }];
    const dataPlane = { ...well, nats: natsOf(well.nats?.durables ?? [], { servers }) };
    assert.equal(after(first, dataPlane, 500), 0);
    assert.equal(after(final, dataPlane, 500), 2_000, 'a server that nobody gives new files is not waited for');
  });

  const AWAITED: readonly [waitedMs: number, nextMs: number][] = [
    [0, 200],
    [800, 200],
    [2_000, 500],
    [8_000, 2_000],
    [60_000, 2_000],
    [120_000, 10_000],
  ];
  for (const [waitedMs, nextMs] of AWAITED) {
    it(`comes after ${nextMs} ms where a reload was awaited for ${waitedMs} ms`, () => {
      for (const plan of [first, final]) {
        assert.equal(after(plan, serversAre('Live', 'ConfigNotLive'), waitedMs), nextMs);
      }
    });
  }

  it('comes in 2 s where something else is awaited, and not for ever', () => {
    for (const dataPlane of [serversAre('Unreachable'), { ...well, sidecars: [] }, serversAre()]) {
      assert.equal(after(final, dataPlane, 100), 2_000);
      assert.equal(after(final, dataPlane, 100, 120_000), 10_000);
    }
  });
});

import assert from 'node:assert/strict';
import type { BatchPlan } from '../../../../sidecar/replay/batch-plan.ts';
import { createMetrics } from '../../../../sidecar/session/metrics.ts';
import { PeerReport } from '../../../../sidecar/session/report.ts';

const delivered = { streamSequence: 1, time: 0 };
const foreign = { delivered, rejection: { reason: 'ForeignOrigin', detail: '', origin: 'connect-7d9f8c-abcde' } };
const position = { sequence: 1, time: 0, identity: null };

describe('what is reported of a peer', () => {
  it('has how many of its newest messages were rejected, over all batches, until one is replayed', () => {
    const report = new PeerReport({ name: 'a', lfhId: 'a' }, createMetrics('1.2.3').forPeer('a'));
    const commit = (rejections: readonly object[], replays: readonly object[]): void => {
      const plan = { rejections, replays, skips: new Map(), position } as unknown as BatchPlan;
      report.committed(plan, rejections.length + replays.length, 0.1, 0);
    };
    assert.equal(report.status.rejectedRun, null);
    for (const rejections of [[foreign, foreign], [foreign]]) commit(rejections, []);
    assert.deepEqual(report.status.rejectedRun, { count: 3, reason: 'ForeignOrigin', origin: 'connect-7d9f8c-abcde' });
    assert.equal(report.status.rejected.ForeignOrigin, 3);
    commit([], [{ delivered: { ...delivered, streamSequence: 2 } }]);
    assert.equal(report.status.rejectedRun, null);
  });
});

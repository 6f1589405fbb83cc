import assert from 'node:assert/strict';
import { createMetrics, type Reported } from '../../../operator/metrics.ts';

describe('the metrics of the operator', () => {
  const peer = (reason: string, pending: number): Reported => ({
    kind: 'LfhSyncPeer',
    metadata: { name: 'b', namespace: 'lfh' },
    status: { conditions: [{ type: 'SendReady', status: 'False', reason }], send: { pending } },
  });
  const linesOf = (text: string): string[] =>
    text.split('\n').filter((line) => /^lfh_sync_(condition|send_lag)\{/.test(line));

  it('have each condition and the lag of each peer as they are at the scrape, and none that is over', async () => {
    let reported = [peer('MessagesExpired', 7), { kind: 'LfhSyncNode', metadata: { name: 'local' } }];
    const metrics = createMetrics(() => reported);
    assert.deepEqual(linesOf(await metrics.text()), [
      'lfh_sync_condition{kind="LfhSyncPeer",namespace="lfh",name="b",type="SendReady",status="False",reason="MessagesExpired"} 1',
      'lfh_sync_send_lag{namespace="lfh",name="b"} 7',
    ]);
    reported = [peer('Lagging', 8)];
    assert.deepEqual(linesOf(await metrics.text()), [
      'lfh_sync_condition{kind="LfhSyncPeer",namespace="lfh",name="b",type="SendReady",status="False",reason="Lagging"} 1',
      'lfh_sync_send_lag{namespace="lfh",name="b"} 8',
    ]);
    reported = [];
    assert.deepEqual(linesOf(await metrics.text()), []);
  });
});

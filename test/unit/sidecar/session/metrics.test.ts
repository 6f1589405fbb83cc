import assert from 'node:assert/strict';
import { REJECT_REASONS } from '../../../../common/contract/reasons.ts';
import { createMetrics } from '../../../../sidecar/session/metrics.ts';

describe('the metrics of a peer', () => {
  it('count from 0, so that the first time that one counts is an increase', async () => {
    const metrics = createMetrics();
    metrics.forPeer('hospital-a');
    const text = await metrics.text();
    for (const name of ['take_overs', 'chain_breaks', 'stream_recreated']) {
      assert.match(text, new RegExp(`^lfh_sync_${name}_total\\{peer="hospital-a"\\} 0$`, 'm'));
    }
    for (const reason of Object.keys(REJECT_REASONS)) {
      assert.match(text, new RegExp(`^lfh_sync_rejected_total\\{peer="hospital-a",reason="${reason}"\\} 0$`, 'm'));
    }
    assert.match(text, /^lfh_sync_announce_failures_total 0$/m);
  });

  it('go with it', async () => {
    const metrics = createMetrics();
    const peer = metrics.forPeer('hospital-a');
    peer.connected(true);
    peer.rejected('NotJson', 2);
    metrics.removePeer('hospital-a');
    assert.doesNotMatch(await metrics.text(), /hospital-a/);
  });
});

import assert from 'node:assert/strict';
import { REJECT_REASONS } from '../../../../common/contract/reasons.ts';
import { createMetrics } from '../../../../sidecar/session/metrics.ts';

describe('the metrics of a peer', () => {
  it('begin with 0, so that the first count is an increase that an alert can see', async () => {
    const metrics = createMetrics('1.2.3');
    metrics.forPeer('hospital-a');
    const text = await metrics.text();
    for (const name of ['take_overs', 'chain_breaks', 'stream_recreated', 'internal_errors']) {
      assert.match(text, new RegExp(`^lfh_sync_${name}_total\\{peer="hospital-a"\\} 0$`, 'm'));
    }
    for (const reason of Object.keys(REJECT_REASONS)) {
      assert.match(text, new RegExp(`^lfh_sync_rejected_total\\{peer="hospital-a",reason="${reason}"\\} 0$`, 'm'));
    }
  });

  it('have when the certificate of its server expires for as long as that is known, and never 0', async () => {
    const metrics = createMetrics('1.2.3');
    const peer = metrics.forPeer('a');
    const series = async (): Promise<string | undefined> =>
      /^lfh_sync_peer_certificate_expiry_timestamp_seconds.*$/m.exec(await metrics.text())?.[0];
    const known = 'lfh_sync_peer_certificate_expiry_timestamp_seconds{peer="a"} 1.5';
    assert.equal(await series(), undefined);
    peer.certificateExpires(1500);
    assert.equal(await series(), known);
    peer.certificateExpires(undefined);
    assert.equal(await series(), undefined);
    peer.certificateExpires(1500);
    peer.released();
    assert.equal(await series(), undefined);
    assert.match(await metrics.text(), /^lfh_sync_build_info\{version="1\.2\.3"\} 1$/m);
  });

  it('vanish when the peer is removed, and those of other peers stay', async () => {
    const metrics = createMetrics('1.2.3');
    for (const name of ['a', 'b']) {
      const peer = metrics.forPeer(name);
      peer.replayed(3);
      peer.rejected('NotJson', 1);
      peer.latency(0.2);
      peer.connected(true);
      peer.certificateExpires(1500);
    }
    metrics.removePeer('a');
    const text = await metrics.text();
    assert.ok(!text.includes('peer="a"'), text);
    assert.match(text, /lfh_sync_replayed_total\{peer="b"\} 3/);
    assert.match(text, /lfh_sync_rejected_total\{peer="b",reason="NotJson"\} 1/);
  });
});

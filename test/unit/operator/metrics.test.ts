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
    const metrics = createMetrics('1.2.3', () => reported);
    assert.deepEqual(linesOf(await metrics.text()), [
      'lfh_sync_condition{namespace="lfh",name="b",kind="LfhSyncPeer",type="SendReady",status="False",reason="MessagesExpired"} 1',
      'lfh_sync_send_lag{namespace="lfh",name="b"} 7',
    ]);
    reported = [peer('Lagging', 8)];
    assert.deepEqual(linesOf(await metrics.text()), [
      'lfh_sync_condition{namespace="lfh",name="b",kind="LfhSyncPeer",type="SendReady",status="False",reason="Lagging"} 1',
      'lfh_sync_send_lag{namespace="lfh",name="b"} 8',
    ]);
    reported = [];
    assert.deepEqual(linesOf(await metrics.text()), []);
  });

  /** The series of these objects, without those of the process. */
  async function seriesOf(...objects: readonly Reported[]): Promise<readonly string[]> {
    const text = await createMetrics('1.2.3', () => objects).text();
    return text.split('\n').filter((line) => line.startsWith('lfh_sync_') && line.includes('namespace='));
  }

  it('have what a peer has fetched, and when its certificates expire, in seconds', async () => {
    const send = {
      lastPullTime: '1970-01-01T00:00:07.5Z',
      behindSince: '1970-01-01T00:00:05Z',
      expiresAt: '1970-01-02T00:00:05Z',
    };
    const certificateExpiry = { server: '1970-01-01T01:00:00Z', serverCa: '1970-01-01T02:00:00Z' };
    const labels = '{namespace="lfh",name="b"}';
    const expiry = (which: string) =>
      `lfh_sync_certificate_expiry_timestamp_seconds{namespace="lfh",name="b",kind="LfhSyncPeer",certificate="${which}"}`;
    const metadata = { name: 'b', namespace: 'lfh' };
    assert.deepEqual(await seriesOf({ kind: 'LfhSyncPeer', metadata, status: { send, certificateExpiry } }), [
      `lfh_sync_last_pull_timestamp_seconds${labels} 7.5`,
      `lfh_sync_send_behind_since_timestamp_seconds${labels} 5`,
      `lfh_sync_send_expiry_timestamp_seconds${labels} 86405`,
      `${expiry('server')} 3600`,
      `${expiry('serverCa')} 7200`,
    ]);
  });

  it('have since when the key of a node is being replaced, and only while a previous one is in force', async () => {
    const node = (...publicKeys: string[]): Reported => {
      const status = { publicKeys, rotatedAt: '1970-01-01T00:01:00Z' };
      return { kind: 'LfhSyncNode', metadata: { name: 'local', namespace: 'lfh' }, status };
    };
    assert.deepEqual(await seriesOf(node('UNEW', 'UOLD')), [
      'lfh_sync_key_rotation_since_timestamp_seconds{namespace="lfh",name="local"} 60',
    ]);
    assert.deepEqual(await seriesOf(node('UNEW')), []);
  });

  it('have nothing of what is not known, and no 0', async () => {
    const metadata = { name: 'b', namespace: 'lfh' };
    for (const status of [{}, { send: {} }, { send: { lastPullTime: 'never' }, certificateExpiry: {} }]) {
      assert.deepEqual(await seriesOf({ kind: 'LfhSyncPeer', metadata, status }), []);
    }
    assert.deepEqual(await seriesOf({ kind: 'LfhSyncPeer', metadata }), []);
  });

  it('have the version', async () => {
    assert.match(await createMetrics('1.2.3').text(), /^lfh_sync_build_info\{version="1\.2\.3"\} 1$/m);
  });
});

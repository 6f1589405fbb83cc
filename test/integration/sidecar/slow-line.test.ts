import assert from 'node:assert/strict';
import type { PeerStatus } from '../../../common/contract/status.ts';
import { SidecarProcess } from '../../kit/processes/sidecar.ts';
import { Line } from '../../kit/servers/line.ts';
import { replayedUuids } from '../../kit/servers/topic-reader.ts';
import { connectMessage } from '../../kit/sites/connect-message.ts';
import { Site } from '../../kit/sites/site.ts';

/** Lines that need nine seconds for one message, and half a minute for many, whatever the machine is busy with. */
const LARGE = { bytes: 900_000, perSecond: 100_000 };
const MANY = { count: 6_000, bytes: 2_400, perSecond: 500_000 };

describe('over a slow line, a sidecar', function () {
  this.timeout(180_000);
  let b: Site;
  const origins: Site[] = [];
  const lines: Line[] = [];
  let sidecar: SidecarProcess | undefined;

  after(async () => {
    await sidecar?.stop();
    await Promise.all(lines.map((line) => line.stop()));
    await Promise.all([...origins, b].map((site) => site?.stop()));
  });

  async function originOver(lfhId: string, bytesPerSecond: number): Promise<{ site: Site; overrides: object }> {
    const site = await Site.start(lfhId, { kafka: false });
    origins.push(site);
    await site.grantAccess(b);
    const line = await Line.start(site.nats.port, { bytesPerSecond });
    lines.push(line);
    return { site, overrides: { servers: [`tls://127.0.0.1:${line.port}`] } };
  }

  function messages(lfhId: string, count: number, bytes: number): { uuids: string[]; payloads: Buffer[] } {
    const padding = 'x'.repeat(bytes - 800);
    const made = Array.from({ length: count }, () =>
      connectMessage({ lfhId, content: { resourceType: 'Patient' }, overrides: { padding } }),
    );
    return { uuids: made.map(({ uuid }) => uuid), payloads: made.map(({ payload }) => payload) };
  }

  it('replays a message that takes nine seconds, and a backlog that takes thirty, each with one take-over and a true lag', async () => {
    b = await Site.start('hospital-b');
    const large = await originOver('large', LARGE.perSecond);
    const many = await originOver('many', MANY.perSecond);
    const one = messages('large', 1, LARGE.bytes);
    const all = messages('many', MANY.count, MANY.bytes);
    await large.site.announce(one.payloads);
    await many.site.announce(all.payloads);
    sidecar = await SidecarProcess.start(b, { peers: [large, many] as never });

    const wrong: PeerStatus[] = [];
    const complete = (status: PeerStatus, count: number): boolean => {
      const { lag, replayed, reason } = status;
      if (lag !== null && lag + replayed < count) wrong.push(status);
      return replayed === count && lag === 0 && reason === 'Replaying';
    };
    await Promise.all([
      sidecar.waitForPeer(large.site, 'is replayed', (status) => complete(status, 1), 90_000),
      sidecar.waitForPeer(many.site, 'is replayed', (status) => complete(status, MANY.count), 120_000),
    ]);
    assert.deepEqual(wrong.slice(0, 3), [], `${wrong.length} times the lag left out messages that were still to come`);
    const found = await replayedUuids(b.kafka);
    assert.deepEqual(
      found.filter((uuid) => uuid !== one.uuids[0]),
      all.uuids,
    );
    assert.ok(found.includes(one.uuids[0] as string));
    const metrics = await sidecar.metrics();
    for (const name of ['large', 'many']) {
      assert.match(metrics, new RegExp(`^lfh_sync_take_overs_total\\{peer="lfh-sync-${name}"\\} 1$`, 'm'));
    }
  });
});

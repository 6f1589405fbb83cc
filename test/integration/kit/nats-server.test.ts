import assert from 'node:assert/strict';
import { connect } from 'nats';
import { syncName } from '../../../common/contract/names.ts';
import { numbered, pullAs, stranger } from '../../kit/servers/nats-peer.ts';
import { Site } from '../../kit/sites/site.ts';

const B = { lfhId: 'hospital-b', durable: syncName('hospital-b') };

describe('a nats-server', () => {
  let site: Site;
  before(async () => {
    site = await Site.start('hospital-a', { kafka: false });
  });
  after(() => site.stop());

  for (const how of ['stopped', 'killed'] as const) {
    it(`comes back on its port with its messages and durables after it was ${how}`, async () => {
      await site.grantAccess(stranger(B.lfhId));
      const [port, before] = [site.nats.port, await site.streamMessages()];
      await site.announce(numbered(1, 2, 3));
      await (how === 'stopped' ? site.nats.stop() : site.nats.kill());
      await assert.rejects(connect({ servers: [site.nats.url], tls: { ca: site.ca.ca }, timeout: 1_000 }));
      await site.nats.start();
      assert.equal(site.nats.port, port);
      assert.equal(await site.streamMessages(), before + 3);
      assert.equal((await site.durableInfo(B.lfhId)).ack_floor.stream_seq, 0);
    });
  }

  it('reports why it refuses a configuration, and goes on with the one it has', async () => {
    await assert.rejects(site.nats.reload({ accounts: 'LFH { users: [ { nkey: nonsense } ] }' }), /public nkey/);
    await site.streamMessages();
    await site.nats.restart();
    await site.streamMessages();
  });

  it('refuses a client without a key', async () => {
    const anonymous = connect({ servers: [site.nats.url], tls: { ca: site.ca.ca } });
    await assert.rejects(anonymous, { code: 'AUTHORIZATION_VIOLATION' });
  });

  it('does not know resets before 2.14', async () => {
    const old = await Site.start('hospital-old', { kafka: false, natsVersion: 'beforeReset' });
    try {
      const peer = stranger(B.lfhId);
      await old.grantAccess(peer);
      await old.announce(numbered(1));
      const connection = await old.connectAs(peer);
      assert.match(connection.info?.version ?? '', /^2\.12\./);
      assert.equal((await pullAs(connection, B.durable, 1)).length, 1);
      const reset = connection.request(`$JS.API.CONSUMER.RESET.EVENTS.${B.durable}`, '{"seq": 1}', { timeout: 2_000 });
      await assert.rejects(reset, /503|TIMEOUT/);
    } finally {
      await old.stop();
    }
  });
});

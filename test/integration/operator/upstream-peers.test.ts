import assert from 'node:assert/strict';
import { CONNECT_INFO_SUBJECT } from '../../../common/contract/durable.ts';
import { until } from '../../kit/processes/process.ts';
import { numbered, stranger } from '../../kit/servers/nats-peer.ts';
import { NATS_VERSIONS, type NatsVersion } from '../../kit/servers/nats-server.ts';
import { UpstreamConnect } from '../../kit/servers/upstream-connect.ts';
import { Site } from '../../kit/sites/site.ts';

const VERSIONS = Object.keys(NATS_VERSIONS) as NatsVersion[];
const [B, C] = ['hospital-b', 'hospital-c'].map((lfhId) => ({ ...stranger(lfhId), client: 'Connect' as const })) as [
  ReturnType<typeof stranger> & { client: 'Connect' },
  ReturnType<typeof stranger> & { client: 'Connect' },
];

for (const version of VERSIONS) {
  describe(`connect without lfh-sync, as a peer of a nats-server ${NATS_VERSIONS[version]}`, function () {
    this.timeout(120_000);
    let a: Site;
    const running: UpstreamConnect[] = [];

    before(async () => {
      a = await Site.start('hospital-a', { kafka: false, natsVersion: version });
      await a.makeConnectsOwnDurable();
      for (const peer of [B, C]) await a.grantAccess(peer);
    });
    after(async () => {
      await Promise.all(running.map((each) => each.close()));
      await a.stop();
    });

    async function start(seed: Uint8Array): Promise<UpstreamConnect> {
      const upstream = await UpstreamConnect.start({ url: a.nats.url, ca: a.ca.ca, seed });
      running.push(upstream);
      return upstream;
    }

    it('gets every message once, two at a time beside our own, over a restart of one and of the server', async () => {
      const texts = (from: number, to: number): string[] => numbered(...range(from, to)).map((each) => each.toString());
      const acknowledged = (lfhId: string, count: number): Promise<void> =>
        until(`${lfhId} has acknowledged ${count}`, async () => {
          return (await a.durableInfo(lfhId, 'Connect')).ack_floor.stream_seq === count;
        });
      const own = await start(a.administrator.getSeed());
      const [b, first] = [await start(B.seed), await start(C.seed)];
      await a.announce(numbered(...range(1, 15)));
      for (const each of [own, b, first]) await each.hasReceived(15);
      await acknowledged(C.lfhId, 15);
      await first.close();
      await a.announce(numbered(...range(16, 30)));
      const second = await start(C.seed);
      for (const each of [own, b]) await each.hasReceived(30);
      await second.hasReceived(15);
      for (const { lfhId } of [B, C]) await acknowledged(lfhId, 30);
      await a.nats.restart();
      await a.announce(numbered(...range(31, 45)));
      for (const each of [own, b]) await each.hasReceived(45);
      await second.hasReceived(30);
      for (const { lfhId } of [B, C]) await acknowledged(lfhId, 45);
      for (const received of [own.received, b.received, [...first.received, ...second.received]]) {
        assert.deepEqual(received, texts(1, 45));
      }
    });

    it('is refused, as at its own NATS, where it is subscribed already', async () => {
      await assert.rejects(start(B.seed), /already bound/);
    });

    const name = 'lfh-connect-hospital-b';
    const forbidden: readonly string[] = [
      'EVENTS.sync',
      'EVENTS.app_sync',
      '$JS.API.INFO',
      '$JS.API.STREAM.INFO.EVENTS',
      '$JS.API.STREAM.MSG.GET.EVENTS',
      `$JS.API.CONSUMER.INFO.EVENTS.${name}`,
      '$JS.API.CONSUMER.INFO.EVENTS.lfh-connect-hospital-c',
      '$JS.API.CONSUMER.INFO.EVENTS.TIMING',
      `$JS.API.CONSUMER.DELETE.EVENTS.${name}`,
      `$JS.API.CONSUMER.DURABLE.CREATE.EVENTS.SYNC`,
      `$JS.API.CONSUMER.RESET.EVENTS.${name}`,
      `$JS.API.CONSUMER.MSG.NEXT.EVENTS.${name}`,
      '$JS.ACK.EVENTS.SYNC.1.1.1.1.0',
      '$JS.ACK.EVENTS.lfh-connect-hospital-c.1.1.1.1.0',
      '$JS.ACK._.hash.EVENTS.lfh-connect-hospital-c.1.1.1.1.0',
      `$JS.ACK.EVENTS.lfh-connect-hospital-c.EVENTS.${name}.1.2.3`,
      `lfh-sync.deliver.${name}`,
      '_INBOX.probe.x',
      '$SYS.REQ.ACCOUNT.PING.CONNZ',
    ];

    it('may not publish to anything else', async () => {
      for (const subject of forbidden) {
        const connection = await a.connectAs(B);
        await assert.rejects(
          connection.request(subject, '', { timeout: 5_000 }),
          { code: 'PERMISSIONS_VIOLATION' },
          subject,
        );
        await connection.close();
      }
    });

    it('may not subscribe to anything else', async () => {
      for (const subject of [
        '>',
        'EVENTS.>',
        'sync.EVENTS',
        'lfh-sync.deliver.>',
        'lfh-sync.info',
        '$JS.>',
        '$SYS.>',
      ]) {
        const connection = await a.connectAs(B);
        let code: string | undefined;
        connection.subscribe(subject, { callback: (error) => void (code = error?.code) });
        await until(`${subject} is refused`, () => code === 'PERMISSIONS_VIOLATION');
        await connection.close();
      }
    });

    it('cannot have an answer delivered into the stream by a reply subject', async () => {
      const before = await a.streamMessages();
      const connection = await a.connectAs(B);
      connection.publish(CONNECT_INFO_SUBJECT, '', { reply: 'EVENTS.sync' });
      await connection.flush();
      // The server answers this after the one before, and stores that after whatever came of it.
      await connection.request(CONNECT_INFO_SUBJECT, '', { timeout: 5_000 });
      await a.announce(numbered(46));
      assert.equal(await a.streamMessages(), before + 1);
    });
  });
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

import assert from 'node:assert/strict';
import { SidecarProcess, signsInAtKafka } from '../../kit/processes/sidecar.ts';
import { replayedUuids } from '../../kit/servers/topic-reader.ts';
import { connectMessage } from '../../kit/sites/connect-message.ts';
import { Site } from '../../kit/sites/site.ts';

const USER = { username: 'lfh', password: 'correct-horse' };

describe('a Kafka with TLS and SASL', () => {
  let a: Site;
  let b: Site;
  const running: SidecarProcess[] = [];

  before(async () => {
    [a, b] = await Promise.all([
      Site.start('hospital-a', { kafka: false }),
      Site.start('hospital-b', { kafkaUser: USER }),
    ]);
    await a.grantAccess(b);
  });

  afterEach(() => Promise.all(running.splice(0).map((sidecar) => sidecar.stop())));
  after(() => Promise.all([a.stop(), b.stop()]));

  async function start(settings: Record<string, string>, password = USER.password): Promise<SidecarProcess> {
    const sidecar = await SidecarProcess.start(b, {
      peers: [{ site: a }],
      settings: {
        ...(await signsInAtKafka(b, { ...USER, password: `${password}\n` })),
        ...settings,
      },
    });
    running.push(sidecar);
    return sidecar;
  }

  it('is replayed into', async () => {
    const { uuid, payload } = connectMessage({ lfhId: a.lfhId, content: { resourceType: 'Patient' } });
    await a.announce([payload]);
    const sidecar = await start({});
    await sidecar.waitForPeer(a, 'is replayed', ({ replayed }) => replayed === 1);
    assert.deepEqual(await replayedUuids(b.kafka), [uuid]);
  });

  const refusals: readonly [what: string, settings: Record<string, string>, password: string, message: RegExp][] = [
    ['the password is wrong', {}, 'wrong-horse', /SASL|authentication|LFH_SYNC_KAFKA_SASL/i],
    ['its CA is not trusted', { LFH_SYNC_KAFKA_CA_FILE: 'ca-lfh-sync-hospital-a.crt' }, USER.password, /certificate/i],
    ['TLS is not turned on', { LFH_SYNC_KAFKA_TLS: 'false' }, USER.password, /Kafka|Connection/i],
  ];
  for (const [what, settings, password, message] of refusals) {
    it(`is reported as refusing us when ${what}, without showing the password`, async () => {
      const sidecar = await start(settings, password);
      const { reason } = await sidecar.waitForPeer(
        a,
        'waits for Kafka',
        (status) => status.reason === 'KafkaUnavailable',
      );
      assert.equal(reason, 'KafkaUnavailable');
      await sidecar.waitForLog(/not a member of the owners group/);
      const log = await sidecar.log();
      const line = log.split('\n').find((text) => text.includes('not a member of the owners group')) ?? '';
      assert.match(line, message);
      assert.ok(!log.includes(password) && !log.includes(USER.password));
      assert.equal(await sidecar.isReady(), false);
    });
  }
});

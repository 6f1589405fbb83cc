import assert from 'node:assert/strict';
import type { Reason } from '../../../common/contract/reasons.ts';
import { SidecarProcess, signsInAtKafka } from '../../kit/processes/sidecar.ts';
import { replayedUuids } from '../../kit/servers/topic-reader.ts';
import { connectMessage } from '../../kit/sites/connect-message.ts';
import { Site } from '../../kit/sites/site.ts';

const USER = { username: 'lfh', password: 'correct-horse' };

describe('a Kafka with TLS and SASL, where all servers have IPv6 only', () => {
  let a: Site;
  let b: Site;
  const running: SidecarProcess[] = [];

  before(async () => {
    [a, b] = await Promise.all([
      Site.start('hospital-a', { kafka: false, host: '[::1]' }),
      // kafka-rights.test.ts has one at an address of IPv4.
      Site.start('hospital-b', { kafkaUser: USER, host: '[::1]' }),
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
    const { nats, kafka } = await sidecar.status();
    assert.deepEqual([nats.message, nats.key !== null, kafka.joined], ['', true, true]);
    assert.match((await sidecar.peer(a)).message, /^replaying from \[::1\]:/);
  });

  const untrusted = { LFH_SYNC_KAFKA_CA_FILE: 'ca-lfh-sync-hospital-a.crt' };
  const refusals: readonly [
    what: string,
    settings: Record<string, string>,
    password: string,
    reason: Reason,
    message: RegExp,
  ][] = [
    [
      'the password is wrong',
      {},
      'wrong-horse',
      'KafkaRefused',
      /SASL_AUTHENTICATION_FAILED .*; check spec\.kafka\.sasl\.username \(LFH_SYNC_KAFKA_SASL_USERNAME\) and the password of/,
    ],
    ['its CA is not trusted', untrusted, USER.password, 'KafkaUnavailable', /certificate/i],
    [
      'TLS is not turned on',
      { LFH_SYNC_KAFKA_TLS: 'false' },
      USER.password,
      'KafkaUnavailable',
      /could not .*Connection/i,
    ],
  ];
  for (const [what, settings, password, reason, message] of refusals) {
    it(`is said to refuse us when ${what}, without telling the password`, async () => {
      const sidecar = await start(settings, password);
      await sidecar.waitForPeer(
        a,
        `waits as ${reason}: ${message}`,
        (status) => status.reason === reason && message.test(status.message),
      );
      await sidecar.waitForLog(/not in contact with the owners group/);
      const log = await sidecar.log();
      const line = log.split('\n').find((text) => text.includes('not in contact with the owners group')) ?? '';
      assert.match(line, message);
      assert.ok(!log.includes(password) && !log.includes(USER.password));
      assert.equal(await sidecar.isReady(), false);
    });
  }
});

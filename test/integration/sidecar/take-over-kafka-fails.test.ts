import assert from 'node:assert/strict';
import kafkajs from 'kafkajs';
import { freePort } from '../../kit/processes/process.ts';
import { SidecarProcess } from '../../kit/processes/sidecar.ts';
import { END_TXN, KafkaRelay, UNKNOWN_SERVER_ERROR } from '../../kit/servers/kafka-relay.ts';
import { MessageLedger } from '../../kit/sites/message-ledger.ts';
import { Site } from '../../kit/sites/site.ts';

/** A new stream is told once. A take-over that comes after its first position finds nothing new. */
describe('a take-over of a new stream, when Kafka fails', () => {
  let b: Site;
  let relay: KafkaRelay;
  let a: Site;
  let sidecar: SidecarProcess;
  let ledger: MessageLedger;
  let peers = 0;

  before(async () => {
    const [kafkaPort, relayPort] = [await freePort(), await freePort()];
    relay = await KafkaRelay.start(relayPort, kafkaPort);
    const kafkaProperties = { 'advertised.listeners': `PLAINTEXT://127.0.0.1:${relayPort}` };
    b = await Site.start('hospital-b', { kafkaPort, kafkaProperties });
  });

  beforeEach(async () => {
    ledger = new MessageLedger();
    peers += 1;
    a = await Site.start(`peer-${peers}`, { kafka: false });
    await a.grantAccess(b);
    // So that the peer's transactions are the only ones.
    sidecar = await SidecarProcess.start(b, { peers: [{ site: a }], settings: { LFH_SYNC_ANNOUNCE: 'false' } });
    await ledger.send(a, 5);
    await ledger.arrivedOnce(b);
  });

  afterEach(async () => {
    await sidecar.stop();
    await a.stop();
  });

  after(async () => {
    await b.stop();
    await relay.stop();
  });

  async function setPolicyOfSyncTopic(value: string): Promise<void> {
    const admin = b.kafka.client().admin();
    await admin.connect();
    const configEntries = [{ name: 'cleanup.policy', value }];
    const resources = [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: 'LFH_SYNC', configEntries }];
    await admin.alterConfigs({ validateOnly: false, resources });
    await admin.disconnect();
  }

  async function theNewStreamIsToldOnce(): Promise<void> {
    await ledger.arrivedOnce(b);
    const { streamRecreated } = await sidecar.waitUntilReplaying(a);
    assert.equal(streamRecreated, 1);
  }

  it('before its first position is written, is told once Kafka is in order again, also by a sidecar that starts then', async () => {
    await sidecar.stop();
    await setPolicyOfSyncTopic('compact');
    await a.recreateStream();
    await ledger.send(a, 3);
    await sidecar.start();
    const { streamRecreated } = await sidecar.waitForPeer(
      a,
      'waits for Kafka',
      ({ reason, message }) => reason === 'KafkaRefused' && message.includes('LFH_SYNC has cleanup.policy=compact'),
    );
    assert.equal(streamRecreated, 0);
    await sidecar.stop();
    await setPolicyOfSyncTopic('delete');
    await sidecar.start();
    await theNewStreamIsToldOnce();
  });

  it('after its first position is committed, and without saying so, is told as well', async () => {
    const failed = relay.answerNext(END_TXN, UNKNOWN_SERVER_ERROR);
    await a.recreateStream();
    // Only a message shows that the stream is a new one.
    await ledger.send(a, 3);
    await failed;
    await theNewStreamIsToldOnce();
  });
});

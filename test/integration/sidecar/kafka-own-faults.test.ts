import assert from 'node:assert/strict';
import kafkajs, { type Admin } from 'kafkajs';
import { until } from '../../kit/processes/process.ts';
import { SidecarProcess } from '../../kit/processes/sidecar.ts';
import { readTopic, replayedUuids } from '../../kit/servers/topic-reader.ts';
import { connectMessage } from '../../kit/sites/connect-message.ts';
import { Site } from '../../kit/sites/site.ts';

/** As long as a peer may need to go on once its own house is in order again. */
const GOES_ON_MS = 60_000;
const MAX_TOPICS = 2;
/** What a nats-server takes unless it is told otherwise. */
const NATS_MAX_PAYLOAD = 1_048_576;

describe('a fault of our own Kafka', () => {
  let a: Site;
  let c: Site;
  let b: Site;
  let admin: Admin;
  let sidecar: SidecarProcess;

  before(async () => {
    [a, c, b] = await Promise.all([
      Site.start('hospital-a', { kafka: false }),
      Site.start('hospital-c', { kafka: false }),
      Site.start('hospital-b', { kafkaProperties: { 'log.cleanup.policy': 'compact' } }),
    ]);
    await Promise.all([a.grantAccess(b), c.grantAccess(b)]);
    admin = b.kafka.client().admin();
    await admin.connect();
    const topics = Array.from({ length: MAX_TOPICS * 2 }, (_, n) => ({ topic: `another-team-${n}` }));
    await admin.createTopics({ topics });
    sidecar = await SidecarProcess.start(b, {
      peers: [{ site: a }, { site: c }],
      settings: { LFH_SYNC_MAX_TOPICS: String(MAX_TOPICS) },
    });
  });

  afterEach(async () => {
    const { rejected } = await sidecar.peer(a);
    assert.deepEqual([rejected.TopicRefused, rejected.TooLarge], [0, 0], 'it has cost a message');
  });

  after(async () => {
    await sidecar.stop();
    await admin.disconnect();
    await Promise.all([a.stop(), b.stop(), c.stop()]);
  });

  async function announce(from: Site, format = 'FHIR-R4', bytes = 10): Promise<string> {
    const content = { resourceType: 'Patient', text: 'x'.repeat(bytes) };
    const { uuid, payload } = connectMessage({ lfhId: from.lfhId, content, format });
    await from.announce([payload]);
    return uuid;
  }

  /** A message with so many bytes as it is announced. */
  async function announceSized(from: Site, bytes: number): Promise<string> {
    const sized = (padding: number) => {
      const overrides = { padding: 'x'.repeat(padding) };
      return connectMessage({ lfhId: from.lfhId, content: { resourceType: 'Patient' }, overrides });
    };
    const { uuid, payload } = sized(bytes - sized(0).payload.length);
    assert.equal(payload.length, bytes);
    await from.announce([payload]);
    return uuid;
  }

  function waits(at: Site, message: RegExp): Promise<unknown> {
    return sidecar.waitForPeer(
      at,
      `waits: ${message}`,
      (status) => status.reason === 'KafkaRefused' && message.test(status.message),
    );
  }

  async function isThereOnce(uuid: string, topic = 'FHIR-R4'): Promise<void> {
    for (const name of ['LFH_SYNC', topic]) {
      const found = async (): Promise<number> =>
        (await replayedUuids(b.kafka, name)).filter((id) => id === uuid).length;
      await until(`the message is in ${name}`, async () => (await found()) > 0, GOES_ON_MS, 250);
      assert.equal(await found(), 1, name);
    }
  }

  async function setConfig(name: string, configEntries: { name: string; value: string }[]): Promise<void> {
    const resources = [{ type: kafkajs.ConfigResourceTypes.TOPIC, name, configEntries }];
    await admin.alterConfigs({ validateOnly: false, resources });
    await until(`${name} is set so`, async () => {
      const configNames = configEntries.map((entry) => entry.name);
      const asked = [{ type: kafkajs.ConfigResourceTypes.TOPIC, name, configNames }];
      const found = (await admin.describeConfigs({ includeSynonyms: false, resources: asked })).resources[0];
      return configEntries.every((entry) =>
        found?.configEntries.some(
          ({ configName, configValue }) => configName === entry.name && configValue === entry.value,
        ),
      );
    });
  }

  const policy = (value: string): { name: string; value: string }[] => [{ name: 'cleanup.policy', value }];
  const size = (value: string): { name: string; value: string } => ({ name: 'max.message.bytes', value });

  it('such as brokers that compact by default does not make the topics of messages compacted', async () => {
    await isThereOnce(await announce(a));
  });

  it('such as brokers that take a little less than a NATS server does not keep the largest message of NATS out', async () => {
    await isThereOnce(await announceSized(a, NATS_MAX_PAYLOAD));
  });

  it('such as a topic that was made to take less lets the peer wait as KafkaRefused until it is mended', async () => {
    await setConfig('FHIR-R4', [...policy('delete'), size('300')]);
    const uuid = await announce(a);
    await waits(a, /the topic FHIR-R4 takes at most 300 .*Set max\.message\.bytes=\d+ there/);
    await setConfig('FHIR-R4', policy('delete'));
    await isThereOnce(uuid);
  });

  it('such as an unchanged Kafka whose topics are there already takes 1,048,516 bytes, and the peer waits with one more', async () => {
    await setConfig('LFH_SYNC', policy('delete'));
    await isThereOnce(await announceSized(a, 1_048_516), 'LFH_SYNC');
    const uuid = await announceSized(a, 1_048_517);
    await waits(a, /the topic LFH_SYNC takes at most 1048588 bytes .*the next message needs 1048589\b/);
    await setConfig('LFH_SYNC', [...policy('delete'), size('2000000')]);
    await isThereOnce(uuid, 'LFH_SYNC');
  });

  for (const topic of ['LFH_SYNC', 'LFH_EXCEPTION', 'FHIR-R4']) {
    it(`such as a compacted ${topic} lets the peer wait as KafkaRefused until it is mended`, async () => {
      await setConfig(topic, policy('compact'));
      // Until the topic is asked about again, only what is written to it shows the change.
      if (topic === 'LFH_EXCEPTION') await a.announce([Buffer.from('{')]);
      const uuid = await announce(a);
      await waits(a, new RegExp(`${topic}\\b.*cleanup\\.policy`));
      await setConfig(topic, policy('delete'));
      await isThereOnce(uuid);
    });
  }

  it("such as topics of other teams does not count towards LFH_SYNC_MAX_TOPICS, and one peer's topics do not count for another", async () => {
    await isThereOnce(await announce(a, 'DICOM-1'), 'DICOM-1');
    const beyond = await announce(a, 'DICOM-2');
    await waits(a, /the topic DICOM-2 is not made: spec\.sidecar\.maxTopics \(LFH_SYNC_MAX_TOPICS\) is 2/);
    await isThereOnce(await announce(c, 'DICOM-3'), 'DICOM-3');
    await admin.createTopics({ topics: [{ topic: 'DICOM-2', configEntries: policy('delete') }] });
    await isThereOnce(beyond, 'DICOM-2');
  });

  it('is none when a name collides with another topic: that message is rejected, and the next is replayed', async () => {
    await admin.createTopics({ topics: [{ topic: 'DICOM-COLLIDES_1' }] });
    await announce(c, 'DICOM-COLLIDES.1');
    await isThereOnce(await announce(c));
    await sidecar.waitForPeer(c, 'has rejected one', ({ rejected }) => rejected.TopicRefused === 1);
    const [record] = (await readTopic(b.kafka, 'LFH_EXCEPTION')).filter(({ value }) => value.includes('TopicRefused'));
    assert.ok(record, 'it is in LFH_EXCEPTION');
  });
});

import assert from 'node:assert/strict';
import type { Admin } from 'kafkajs';
import { positionTopic, syncName } from '../../../common/contract/names.ts';
import { until } from '../../kit/processes/process.ts';
import { SidecarProcess } from '../../kit/processes/sidecar.ts';
import { readTopic, replayedUuids } from '../../kit/servers/topic-reader.ts';
import { connectMessage } from '../../kit/sites/connect-message.ts';
import { Site } from '../../kit/sites/site.ts';

/** As long as a peer may need to go on after a topic was changed. */
const GOES_ON_MS = 60_000;
const PARTITIONS = 3;

/** As many Kafkas are set up: any client that names a topic makes it, with one partition. */
const AUTO_CREATION = { 'auto.create.topics.enable': 'true', 'num.partitions': '1' };

describe('a topic of the local Kafka that changes while the sidecar runs', () => {
  let a: Site;
  let b: Site;
  let admin: Admin;
  let sidecar: SidecarProcess;
  let sent = 0;

  before(async () => {
    [a, b] = await Promise.all([
      // Its records go to partition 1 of 3: the partition that a topic with fewer partitions does not have.
      Site.start('hospital-c', { kafka: false }),
      Site.start('hospital-b', { kafkaProperties: AUTO_CREATION }),
    ]);
    await a.grantAccess(b);
    admin = b.kafka.client().admin();
    await admin.connect();
    sidecar = await SidecarProcess.start(b, {
      peers: [{ site: a }],
      settings: { KAFKA_ADMIN_NEW_TOPIC_PARTITIONS: String(PARTITIONS) },
    });
  });

  // Every topic exists, is known to the sidecar, and has been written to.
  beforeEach(async () => {
    await announce(1);
    await announceBroken();
    await allIsReplayed();
  });

  after(async () => {
    await sidecar.stop();
    await admin.disconnect();
    await Promise.all([a.stop(), b.stop()]);
  });

  async function announce(count: number): Promise<string[]> {
    const content = { resourceType: 'Patient' };
    const messages = Array.from({ length: count }, () => connectMessage({ lfhId: a.lfhId, content }));
    await a.announce(messages.map(({ payload }) => payload));
    sent += count;
    return messages.map(({ uuid }) => uuid);
  }

  async function announceBroken(): Promise<void> {
    await a.announce([Buffer.from('{')]);
    sent += 1;
  }

  function allIsReplayed(): Promise<unknown> {
    const wanted = `is replayed up to ${sent}`;
    const done = ({ position, reason }: { position: { sequence: number } | null; reason: string }): boolean =>
      position?.sequence === sent && reason === 'Replaying';
    return sidecar.waitForPeer(a, wanted, done, GOES_ON_MS);
  }

  async function isOnceInEachTopic(uuids: readonly string[]): Promise<void> {
    for (const topic of ['LFH_SYNC', 'FHIR-R4']) {
      const found = async (): Promise<string[]> =>
        (await replayedUuids(b.kafka, topic)).filter((uuid) => uuids.includes(uuid));
      await until(
        `${uuids.length} messages are in ${topic}`,
        async () => (await found()).length >= uuids.length,
        10_000,
      );
      assert.deepEqual(await found(), uuids, topic);
    }
  }

  async function deleteTopic(topic: string): Promise<void> {
    await admin.deleteTopics({ topics: [topic] });
    await until(`${topic} is gone`, async () => !(await admin.listTopics()).includes(topic), 10_000);
  }

  async function writeAsAnyClient(topic: string): Promise<void> {
    const producer = b.kafka.client().producer({ allowAutoTopicCreation: true });
    await producer.connect();
    await producer.send({ topic, messages: [{ value: JSON.stringify({ uuid: 'of another client' }) }] });
    await producer.disconnect();
  }

  const changes: readonly [what: string, change: (topic: string) => Promise<void>][] = [
    ['was deleted is made again', deleteTopic],
    [
      'was made again with one partition by an administrator is written to as it is',
      async (topic) => {
        await deleteTopic(topic);
        await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: false });
        await until(`${topic} is there`, async () => (await admin.listTopics()).includes(topic), 10_000);
      },
    ],
    [
      'was made again with one partition by another client is written to as it is',
      async (topic) => {
        await deleteTopic(topic);
        await writeAsAnyClient(topic);
      },
    ],
  ];
  for (const topic of ['FHIR-R4', 'LFH_SYNC']) {
    for (const [what, change] of changes) {
      it(`and ${what}, and every message is there once: ${topic}`, async () => {
        await change(topic);
        const uuids = await announce(4);
        await allIsReplayed();
        await isOnceInEachTopic(uuids);
      });
    }
  }

  for (const [what, change] of changes) {
    it(`and ${what}, and every rejected message is there once: LFH_EXCEPTION`, async () => {
      await change('LFH_EXCEPTION');
      await announceBroken();
      await allIsReplayed();
      const rejected = async (): Promise<number> => {
        const records = await readTopic(b.kafka, 'LFH_EXCEPTION');
        return records.filter(({ value }) => value.includes('NotJson')).length;
      };
      await until('it is in LFH_EXCEPTION', async () => (await rejected()) > 0, 10_000);
      assert.equal(await rejected(), 1);
    });
  }

  it('and was deleted leaves the decision to a person where it holds the position, and nothing is written twice', async () => {
    await deleteTopic(positionTopic(syncName(a.lfhId)));
    const uuids = await announce(1);
    await sidecar.waitForPeer(a, 'has lost its position', ({ reason }) => reason === 'PositionLost', GOES_ON_MS);
    for (const topic of ['LFH_SYNC', 'FHIR-R4']) {
      const found = await replayedUuids(b.kafka, topic);
      assert.equal(new Set(found).size, found.length, `${topic} has repeats`);
      assert.ok(!found.some((uuid) => uuids.includes(uuid)), `${topic} has what was sent after`);
    }
  });
});

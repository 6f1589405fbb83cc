import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import kafkajs from 'kafkajs';
import { positionTopic, syncName } from '../../../common/contract/names.ts';
import { createLogger } from '../../../common/log.ts';
import { execute } from '../../../image/cache.ts';
import { type OpenKafka, openKafka } from '../../../sidecar/kafka/open.ts';
import { KafkaServer, kafkaClassPath } from '../../kit/servers/kafka.ts';

const POLICY = join(import.meta.dirname, '../../kit/servers/TopicPolicy.java');

describe('a Kafka with a policy for new topics', () => {
  let directory: string;
  let kafka: KafkaServer;
  let ours: OpenKafka;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lfh-sync-policy-'));
    const classes = join(directory, 'classes');
    await mkdir(classes);
    await execute('javac', ['-cp', await kafkaClassPath(), '-d', classes, POLICY]);
    const properties = { 'create.topic.policy.class.name': 'TopicPolicy' };
    kafka = await KafkaServer.start({ directory: join(directory, 'kafka'), classes, properties });
    const log = createLogger({ name: 'test', level: 'fatal' });
    const topics = { partitions: 1, replicationFactor: 1, maxTopics: 100 };
    ours = openKafka({ brokers: kafka.brokers, clientId: 'test', node: 'local', log, ...topics });
  });

  after(async () => {
    await ours.close();
    await kafka.stop();
    await rm(directory, { recursive: true });
  });

  it('that forbids small segments has a position topic that is compacted all the same, and keeps no markers for long', async () => {
    const { writer } = await ours.takeOver(syncName('peer'));
    await writer.close();
    const admin = kafka.client().admin();
    await admin.connect();
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [
        {
          type: kafkajs.ConfigResourceTypes.TOPIC,
          name: positionTopic(syncName('peer')),
          configNames: ['cleanup.policy', 'delete.retention.ms'],
        },
      ],
    });
    await admin.disconnect();
    const configs = resources[0]?.configEntries.map(({ configName, configValue }) => `${configName}=${configValue}`);
    assert.deepEqual(configs?.toSorted(), ['cleanup.policy=compact', 'delete.retention.ms=600000']);
  });

  it("that forbids a peer's topic is KafkaRefused with the topic and the policy's own words", async () => {
    await assert.rejects(ours.ensureTopics(['FORBIDDEN-HERE'], { peer: 'peer' }), {
      reason: 'KafkaRefused',
      message: /POLICY_VIOLATION for the topic FORBIDDEN-HERE \(ask the Kafka team first\)/,
    });
  });
});

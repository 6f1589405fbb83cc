import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../../kit/processes/process.ts';
import { processStatus } from '../../kit/processes/process-status.ts';
import { KafkaServer } from '../../kit/servers/kafka.ts';
import { readTopic } from '../../kit/servers/topic-reader.ts';

describe('a Kafka', () => {
  let directory: string;
  let kafka: KafkaServer;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lfh-sync-kafka-'));
    kafka = await KafkaServer.start({ directory });
    const admin = kafka.client().admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: 'KEPT', numPartitions: 1 }], waitForLeaders: true });
    await admin.disconnect();
  });
  after(async () => {
    await kafka.stop();
    await rm(directory, { recursive: true });
  });

  async function send(value: string): Promise<void> {
    const producer = kafka.client().producer();
    await producer.connect();
    await producer.send({ topic: 'KEPT', messages: [{ value }], timeout: 20_000 });
    await producer.disconnect();
  }

  for (const how of ['stop', 'kill'] as const) {
    it(`keeps its records and its port over ${how} and start`, async () => {
      const { brokers } = kafka;
      await send(how);
      await kafka[how]();
      await kafka.start();
      assert.deepEqual(kafka.brokers, brokers);
      assert.ok((await readTopic(kafka, 'KEPT')).some(({ value }) => String(value) === how));
    });
  }

  it('answers nobody while it is paused, and goes on when it is resumed', async () => {
    await kafka.pause();
    let answered = false;
    const sending = send('paused').then(() => {
      answered = true;
    });
    await until('the process is stopped', () => /^State:\s+T/m.test(processStatus(kafka.process.pid)));
    assert.equal(answered, false);
    kafka.resume();
    await sending;
    assert.ok((await readTopic(kafka, 'KEPT')).some(({ value }) => String(value) === 'paused'));
  });

  it('does not create topics by itself', async () => {
    const producer = kafka.client().producer({ allowAutoTopicCreation: true, retry: { retries: 1 } });
    await producer.connect();
    await assert.rejects(producer.send({ topic: 'NEVER_MADE', messages: [{ value: 'x' }] }));
    await producer.disconnect();
    assert.deepEqual(await readTopic(kafka, 'NEVER_MADE'), []);
  });
});

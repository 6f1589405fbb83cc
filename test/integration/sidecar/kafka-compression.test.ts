import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SidecarProcess } from '../../kit/processes/sidecar.ts';
import { KafkaServer } from '../../kit/servers/kafka.ts';
import { readTopic } from '../../kit/servers/topic-reader.ts';
import { connectMessage } from '../../kit/sites/connect-message.ts';
import { MessageLedger } from '../../kit/sites/message-ledger.ts';
import { Site } from '../../kit/sites/site.ts';

const COMPRESSIONS = ['gzip', 'snappy', 'lz4', 'zstd'];

describe('a topic whose records Kafka compresses', () => {
  let directory: string;
  let kafka: KafkaServer;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lfh-sync-compression-'));
    kafka = await KafkaServer.start({ directory });
  });

  after(async () => {
    await kafka.stop();
    await rm(directory, { recursive: true });
  });

  const sizes = [1, 59, 60, 61, 255, 256, 70_000, 300_000];
  const values = [
    Buffer.alloc(0),
    // What no compression makes smaller, what consists of repeats, and what is in between.
    ...sizes.map((size) => randomBytes(size)),
    ...sizes.map((size) => Buffer.alloc(size, 'abc')),
    ...sizes.map((size) => Buffer.from(randomBytes(size).toString('hex'))),
    ...Array.from({ length: 500 }, () => connectMessage({ lfhId: 'a', content: { resourceType: 'Patient' } }).payload),
  ];

  for (const compression of COMPRESSIONS) {
    it(`with ${compression} is read`, async () => {
      const topic = `compressed-${compression}`;
      const admin = kafka.client().admin();
      const producer = kafka.client().producer();
      await Promise.all([admin.connect(), producer.connect()]);
      const configEntries = [{ name: 'compression.type', value: compression }];
      await admin.createTopics({ topics: [{ topic, numPartitions: 1, configEntries }], waitForLeaders: true });
      const large = values.filter(({ length }) => length > 50_000);
      const small = values.filter(({ length }) => length <= 50_000);
      for (const batch of [small, ...large.map((value) => [value])]) {
        await producer.send({ topic, messages: batch.map((value) => ({ value })) });
      }
      await Promise.all([admin.disconnect(), producer.disconnect()]);
      const read = (await readTopic(kafka, topic)).map(({ value }) => value);
      assert.equal(read.length, values.length);
      for (const [index, value] of [...small, ...large].entries()) assert.ok(read[index]?.equals(value), `${index}`);
    });
  }
});

describe('brokers that compress all topics', function () {
  this.timeout(180_000);
  for (const compression of COMPRESSIONS) {
    it(`with ${compression} are replayed into, announced from, and gone on with after a restart`, async () => {
      const kafkaProperties = { 'compression.type': compression };
      const [a, b] = await Promise.all([
        Site.start('hospital-a', { kafka: false }),
        Site.start('hospital-b', { kafkaProperties }),
      ]);
      await a.grantAccess(b);
      const sidecar = await SidecarProcess.start(b, { peers: [{ site: a }] });
      try {
        const ledger = new MessageLedger();
        await ledger.send(a, 500);
        await ledger.arrivedOnce(b);
        await sidecar.stop();
        await ledger.send(a, 500, 2_000);
        await sidecar.start();
        await ledger.arrivedOnce(b);
        await ledger.announcedOnce(b);
      } finally {
        await sidecar.stop();
        await Promise.all([a.stop(), b.stop()]);
      }
    });
  }
});

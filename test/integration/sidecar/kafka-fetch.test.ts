import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Producer } from 'kafkajs';
import { SYNC_TOPIC } from '../../../common/contract/names.ts';
import { Fetcher } from '../../../sidecar/kafka/fetch.ts';
import { SyncReader, type WentBack } from '../../../sidecar/kafka/sync-reader.ts';
import { until } from '../../kit/processes/process.ts';
import { KafkaServer } from '../../kit/servers/kafka.ts';

describe('reading LFH_SYNC', () => {
  let directory: string;
  let kafka: KafkaServer;
  let fetcher: Fetcher;
  let producer: Producer;
  let foreigner: Producer;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lfh-sync-fetch-'));
    kafka = await KafkaServer.start({ directory });
    const newProducer = (transactionalId: string): Producer =>
      kafka.client().producer({ transactionalId, idempotent: true, maxInFlightRequests: 1 });
    [producer, foreigner] = [newProducer('ours'), newProducer('foreign')];
    fetcher = new Fetcher(kafka.client());
    await Promise.all([producer.connect(), foreigner.connect(), fetcher.connect()]);
  });

  beforeEach(async () => {
    const admin = kafka.client().admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: SYNC_TOPIC, numPartitions: 1 }], waitForLeaders: false });
    await until('the topic is there', async () => (await fetcher.fetch(SYNC_TOPIC, 0, 0n)).next === 0n);
    await admin.disconnect();
  });

  afterEach(async () => {
    const admin = kafka.client().admin();
    await admin.connect();
    await admin.deleteTopics({ topics: [SYNC_TOPIC] });
    await until('the topic is gone', async () => !(await admin.listTopics()).includes(SYNC_TOPIC));
    await admin.disconnect();
  });

  after(async () => {
    await Promise.all([producer.disconnect(), foreigner.disconnect(), fetcher.disconnect()]);
    await kafka.stop();
    await rm(directory, { recursive: true });
  });

  async function send(by: Producer, value: string, end: 'commit' | 'abort'): Promise<void> {
    const transaction = await by.transaction();
    await transaction.send({ topic: SYNC_TOPIC, messages: [{ value }] });
    await transaction[end]();
  }

  async function begun(): Promise<SyncReader> {
    const reader = new SyncReader(fetcher, () => undefined);
    await reader.begin(1, { offsets: { 0: '0' } });
    return reader;
  }

  /** Kafka answers a commit before it has ended the transaction in every partition. */
  async function readAll(reader: SyncReader): Promise<string[]> {
    const values: string[] = [];
    await until('all is read', async () => {
      const records = await reader.next(100);
      values.push(...records.map(({ value }) => value.toString()));
      reader.drop(records.length);
      await reader.measure();
      return reader.lag === 0;
    });
    return values;
  }

  it('ends behind markers and aborted transactions, from whatever offset it begins', async () => {
    await send(producer, 'one', 'commit');
    for (let count = 0; count < 5; count += 1) await send(foreigner, 'aborted', 'abort');
    const reader = await begun();
    assert.deepEqual(await readAll(reader), ['one']);
    assert.deepEqual(reader.offsets, { 0: '12' });
    for (let offset = 0n; offset <= 12n; offset += 1n) {
      assert.equal((await fetcher.fetch(SYNC_TOPIC, 0, offset)).next, 12n, `from ${offset}`);
    }
  });

  describe('with a partition that was added', () => {
    beforeEach(async () => {
      const admin = kafka.client().admin();
      await admin.connect();
      await send(producer, 'version 1', 'commit');
      await admin.createPartitions({ topicPartitions: [{ topic: SYNC_TOPIC, count: 2 }] });
      await admin.disconnect();
      const added = kafka.client().producer();
      await added.connect();
      await added.send({ topic: SYNC_TOPIC, messages: [{ partition: 1, value: 'version 2' }] });
      await added.disconnect();
    });

    async function readTwice(reader: SyncReader): Promise<string[]> {
      const values: string[] = [];
      for (let each = 0; each < 2; each += 1) {
        let records: readonly { readonly value: Buffer }[] = [];
        await until('something comes', async () => {
          records = await reader.next(100);
          return records.length > 0;
        });
        values.push(...records.map(({ value }) => value.toString()));
        reader.drop(records.length);
      }
      return values;
    }

    it('reads what was there before it first, where it sees it while it reads', async () => {
      const reader = await begun();
      await reader.grow(2);
      assert.deepEqual(reader.offsets, { 0: '0' });
      assert.deepEqual(await readTwice(reader), ['version 1', 'version 2']);
      assert.deepEqual(reader.offsets, { 0: '2', 1: '1' });
    });

    it('reads what was there before it first, where it sees it at a take-over', async () => {
      const reader = new SyncReader(fetcher, () => undefined);
      await reader.begin(2, { offsets: { 0: '0' } });
      assert.deepEqual(reader.offsets, { 0: '0' });
      assert.deepEqual(await readTwice(reader), ['version 1', 'version 2']);
    });
  });

  it('goes on with what was written since, where Kafka has lost the end, and tells of it', async () => {
    const added = kafka.client().producer();
    await added.connect();
    const time = Date.now() - 3_600_000;
    const [taken, fresh] = [String(time), String(time + 1_000)];
    const before = { value: 'taken long ago', timestamp: String(time - 3_600_000) };
    await added.send({ topic: SYNC_TOPIC, messages: [before, { value: 'new', timestamp: fresh }] });
    await added.disconnect();
    const told: WentBack[] = [];
    const reader = new SyncReader(fetcher, (wentBack) => told.push(wentBack));
    await reader.begin(1, { offsets: { 0: '9' }, times: { 0: Number(taken) } });
    assert.deepEqual(await readAll(reader), ['new']);
    assert.deepEqual(told, [{ partition: 0, offset: '9', readFrom: '1' }]);
    assert.deepEqual([reader.offsets, reader.times], [{ 0: '2' }, { 0: Number(fresh) }]);
  });

  it("counts as lag what waits behind somebody else's open transaction", async () => {
    const open = await foreigner.transaction();
    await open.send({ topic: SYNC_TOPIC, messages: [{ value: 'open' }] });
    await send(producer, 'one', 'commit');
    const reader = await begun();
    assert.deepEqual(await reader.next(100), []);
    // The open record, ours, and our marker.
    assert.equal(reader.lag, 3);
    await reader.measure();
    assert.equal(reader.lag, 3);
    await open.abort();
    assert.deepEqual(await readAll(reader), ['one']);
  });
});

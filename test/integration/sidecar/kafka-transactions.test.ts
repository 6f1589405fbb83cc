import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Consumer, Producer, Transaction } from 'kafkajs';
import { positionTopic, syncName } from '../../../common/contract/names.ts';
import { FencedError, TransientError, UncertainCommitError } from '../../../common/errors.ts';
import { createLogger } from '../../../common/log.ts';
import { BatchSender } from '../../../sidecar/kafka/batch-sender.ts';
import { BufferPool } from '../../../sidecar/kafka/buffer-pool.ts';
import { QUICK_RETRY } from '../../../sidecar/kafka/client.ts';
import { createCluster } from '../../../sidecar/kafka/cluster.ts';
import { Clients } from '../../../sidecar/kafka/connections.ts';
import { TransactionCoordinator } from '../../../sidecar/kafka/coordinator.ts';
import type { OpenKafka } from '../../../sidecar/kafka/open.ts';
import { RecordBatch } from '../../../sidecar/kafka/record-batch.ts';
import type { Position } from '../../../sidecar/replay/position.ts';
import { batchBytes } from '../../../sidecar/replay/record-size.ts';
import { recordValue } from '../../../sidecar/replay/record-value.ts';
import { soonerThan, until } from '../../kit/processes/process.ts';
import { readWithJava } from '../../kit/servers/java-consumer.ts';
import { KafkaServer } from '../../kit/servers/kafka.ts';
import { openSidecarKafka, sendRecords } from '../../kit/servers/sidecar-kafka.ts';
import { readTopic } from '../../kit/servers/topic-reader.ts';

const SILENT = createLogger({ name: 'test', level: 'fatal' });

describe('Kafka', () => {
  let directory: string;
  let kafka: KafkaServer;
  let ours: OpenKafka;
  const producers: Producer[] = [];
  const first: Position = { stream: 'EVENTS', identity: 'i', sequence: 1, time: 5, consumerSequence: 1, from: 0 };

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lfh-sync-kafka-'));
    kafka = await KafkaServer.start({ directory });
    ours = openSidecarKafka(kafka.brokers);
  });

  afterEach(() => Promise.all(producers.splice(0).map((producer) => producer.disconnect())));

  after(async () => {
    await ours.close();
    await kafka.stop();
    await rm(directory, { recursive: true });
  });

  async function newProducer(transactionalId: string): Promise<Producer> {
    const producer = kafka.client().producer({ transactionalId, idempotent: true, maxInFlightRequests: 1 });
    producers.push(producer);
    await producer.connect();
    return producer;
  }

  async function createTopic(topic: string, configEntries: { name: string; value: string }[] = []): Promise<void> {
    const admin = kafka.client().admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic, numPartitions: 1, configEntries }], waitForLeaders: true });
    await admin.disconnect();
  }

  /** What a kafkajs consumer returns of a topic, up to a record that comes last. */
  async function readWithKafkajs(topic: string, lastValue: string): Promise<string[]> {
    const values: string[] = [];
    const consumer: Consumer = kafka.client().consumer({ groupId: `reader-${topic}`, maxWaitTimeInMs: 200 });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    const eachMessage = async ({ message }: { message: { value: Buffer | null } }): Promise<void> => {
      values.push(String(message.value));
    };
    await consumer.run({ eachMessage });
    await until('the last record is read', () => values.includes(lastValue), 60_000);
    await consumer.disconnect();
    return values;
  }

  describe('transactions that are aborted inside each other', () => {
    /** Steps in order. Letters are producers: `+` begins with a record, `.` sends another, `c` commits, `a` aborts. */
    const scripts: Record<string, string> = {
      'one inside another': 'A+ B+ A. B. Ba A. Aa C+ Cc',
      'the earlier one aborted last': 'A+ B+ C+ Ca B. Ba A. Aa D+ Dc',
      'overlapping in a chain': 'A+ B+ Aa C+ Ba D+ Ca Da E+ Ec',
      'between ones that commit': 'A+ B+ C+ B. Ac C. Ba D+ Cc D. Da E+ Ec',
      'twice by one producer, around another': 'A+ B+ Aa A+ A. Ba Aa C+ Cc',
      'and committed by the same producer afterwards': 'A+ B+ Ba Aa B+ A+ Ac Bc',
    };
    for (const [what, script] of Object.entries(scripts)) {
      it(`are left out by kafkajs as by the Java consumer, for ${what}`, async () => {
        const topic = `aborted-${what.replaceAll(/\W/g, '-')}`;
        await createTopic(topic);
        const everybody = new Map<string, Producer>();
        const open = new Map<string, Transaction>();
        const sent = new Map<string, number>();
        let committed = 0;
        for (const [index, [who, does]] of script
          .split(' ')
          .map((step): [string, string] => [step.charAt(0), step.charAt(1)])
          .entries()) {
          const producer = everybody.get(who) ?? (await newProducer(`${topic}-${who}`));
          everybody.set(who, producer);
          if (does === '+') {
            open.set(who, await producer.transaction());
            sent.set(who, 0);
          }
          const transaction = open.get(who) as Transaction;
          if (does === 'c') {
            await transaction.commit();
            committed += sent.get(who) ?? 0;
          } else if (does === 'a') {
            await transaction.abort();
          } else {
            await transaction.send({ topic, messages: [{ value: `${who}${index}` }, { value: `${who}${index}'` }] });
            sent.set(who, (sent.get(who) ?? 0) + 2);
          }
        }
        const java = await readWithJava(kafka, topic, committed);
        assert.equal(java.length, committed);
        assert.deepEqual(
          (await readTopic(kafka, topic)).map(({ value }) => String(value)),
          java,
        );
        assert.deepEqual(await readWithKafkajs(topic, java.at(-1) ?? ''), java);
      });
    }
  });

  describe('a take-over', () => {
    it('fences the earlier writer of the peer, so that nothing of it is committed any more', async () => {
      const old = await ours.takeOver(syncName('fenced'));
      assert.equal(old.position, undefined);
      await ours.ensureTopics(['LFH_SYNC']);
      await sendRecords(
        old.writer,
        [{ topic: 'LFH_SYNC', value: recordValue(Buffer.from('{"uuid": "never"}')) }],
        first,
      );
      const heir = await ours.takeOver(syncName('fenced'));
      assert.equal(heir.position, undefined);
      await assert.rejects(old.writer.commit(), FencedError);
      await old.writer.close();
      await sendRecords(heir.writer, [], { ...first, sequence: 2 });
      await heir.writer.commit();
      await heir.writer.close();
      const third = await ours.takeOver(syncName('fenced'));
      assert.deepEqual(third.position, { ...first, sequence: 2 });
      await third.writer.close();
      const written = await readTopic(kafka, 'LFH_SYNC');
      assert.ok(!written.some(({ value }) => value.includes('never')));
    });

    it('is neither delayed nor misled by the open transaction of another peer', async () => {
      const other = await ours.takeOver(syncName('other'));
      await ours.ensureTopics(['LFH_SYNC']);
      await sendRecords(
        other.writer,
        [{ topic: 'LFH_SYNC', value: recordValue(Buffer.from('{"uuid": "open"}')) }],
        first,
      );
      const one = await ours.takeOver(syncName('mine'));
      await sendRecords(one.writer, [{ topic: 'LFH_SYNC', value: recordValue(Buffer.from('{"uuid": "mine"}')) }], {
        ...first,
        sequence: 9,
      });
      await one.writer.commit();
      await one.writer.close();
      const again = await ours.takeOver(syncName('mine'));
      assert.equal(again.position?.sequence, 9);
      await again.writer.close();
      // It did not wait for the other: that is still open, and can be committed.
      await other.writer.commit();
      await other.writer.close();
    });

    it('waits for a foreign transaction in the position topic, and reads its outcome', async () => {
      const mine = await ours.takeOver(syncName('shared'));
      await sendRecords(mine.writer, [], first);
      await mine.writer.commit();
      await mine.writer.close();
      const foreigner = await newProducer('foreigner');
      const transaction = await foreigner.transaction();
      const value = JSON.stringify({ ...first, sequence: 77 });
      await transaction.send({ topic: positionTopic(syncName('shared')), messages: [{ key: 'position', value }] });
      const waiting = ours.takeOver(syncName('shared'));
      await transaction.commit();
      const { position, writer } = await waiting;
      assert.equal(position?.sequence, 77);
      await writer.close();
    });

    it('refuses a position topic that is not compacted, or that holds something else', async () => {
      await createTopic(positionTopic(syncName('deleted')), [{ name: 'cleanup.policy', value: 'delete' }]);
      await assert.rejects(ours.takeOver(syncName('deleted')), { reason: 'TopicNotCompacted' });
      const { writer } = await ours.takeOver(syncName('nonsense'));
      await writer.close();
      const producer = kafka.client().producer();
      await producer.connect();
      await producer.send({
        topic: positionTopic(syncName('nonsense')),
        messages: [{ key: 'position', value: 'nonsense' }],
      });
      await producer.disconnect();
      await assert.rejects(ours.takeOver(syncName('nonsense')), { reason: 'PositionLost' });
    });
  });

  describe('a batch', () => {
    it('of several megabytes is split in order, and each record is at its reported place', async () => {
      const { writer } = await ours.takeOver(syncName('large'));
      await ours.ensureTopics(['LFH_SYNC', 'FHIR-R4']);
      const records = Array.from({ length: 3_000 }, (_, n) => ({
        topic: n % 3 === 0 ? 'LFH_SYNC' : 'FHIR-R4',
        value: recordValue(Buffer.from(`${n}:${'x'.repeat(2_400)}`)),
      }));
      const locations = await sendRecords(writer, records, first);
      await writer.commit();
      await writer.close();
      for (const topic of ['LFH_SYNC', 'FHIR-R4']) {
        const read = await readTopic(kafka, topic);
        const byPlace = new Map(read.map(({ partition, offset, value }) => [`${partition}:${offset}`, value]));
        for (const [index, location] of locations.entries()) {
          if (location.topic !== topic) continue;
          assert.deepEqual(byPlace.get(`${location.partition}:${location.offset}`), records[index]?.value.pieces[0]);
        }
      }
    });

    it('is read by the Java consumer as it was given, one and the one that was encoded while it was committed', async () => {
      await createTopic('JAVA');
      await ours.ensureTopics(['JAVA']);
      const { writer } = await ours.takeOver(syncName('java'));
      const texts = Array.from({ length: 1_200 }, (_, n) => `${n}:${'é'.repeat(n % 500)}`);
      const records = texts.map((text, n) => ({
        topic: 'JAVA',
        value: n % 2 ? recordValue(Buffer.from(text)) : recordValue(`${n}:`, Buffer.from(text.slice(`${n}:`.length))),
        ...(n % 3 === 0 && { headers: { 'lfh-sync-reason': 'Überlauf', empty: '' } }),
      }));
      const [one, other] = [records.slice(0, 900), records.slice(900)];
      const batch = writer.begin();
      batch.add(one);
      await writer.send(batch, first);
      const next = writer.begin();
      const committed = writer.commit();
      next.add(other);
      await committed;
      await writer.send(next, { ...first, sequence: 9 });
      await writer.commit();
      await writer.close();
      assert.deepEqual(await readWithJava(kafka, 'JAVA', records.length), texts);
    });

    it('is in order where its sequence numbers begin again at 0, within a record batch and behind it', async () => {
      await createTopic('WRAPS');
      const client = new Clients({ brokers: kafka.brokers, clientId: 'test', log: SILENT }).open(QUICK_RETRY);
      const cluster = createCluster(client.kafka);
      await cluster.connect();
      await cluster.addTargetTopic('WRAPS');
      const place = { topic: 'WRAPS', partition: 0 };
      const coordinator = new TransactionCoordinator(client, cluster, 'wraps');
      const by = await coordinator.initProducer(10_000);
      const texts: string[] = [];
      let sequence = 2 ** 31 - 14;
      for (const together of [1, 2]) {
        await coordinator.addPartitions(by, [place]);
        const batches = Array.from({ length: 8 }, (_, nth) => {
          const batch = new RecordBatch(place, 1_000_000, new BufferPool(), Date.now());
          for (let n = 0; n < 4; n += 1) {
            texts.push(`${together}.${nth}.${n}`);
            batch.add({ key: null, value: recordValue(texts.at(-1) as string) });
          }
          batch.seal(by, sequence);
          sequence = (sequence + 4) % 2 ** 31;
          return batch;
        });
        await new BatchSender(client, cluster).send(batches, 'wraps');
        await coordinator.end(by, 'commit');
      }
      await cluster.disconnect();
      client.end();
      assert.deepEqual(await readWithJava(kafka, 'WRAPS', texts.length), texts);
    });

    it('with a record that just fits is accepted, and one that does not fails with KafkaRefused', async () => {
      await createTopic('SMALL', [{ name: 'max.message.bytes', value: '5000' }]);
      const limits = (await ours.ensureTopics(['SMALL'])).get('SMALL');
      assert.deepEqual(limits && 'maxMessageBytes' in limits && limits.maxMessageBytes, 5_000);
      assert.equal(batchBytes(4_930), 5_000);
      const fits = await ours.takeOver(syncName('size'));
      await sendRecords(fits.writer, [{ topic: 'SMALL', value: recordValue(Buffer.alloc(4_930, 65)) }], first);
      await fits.writer.commit();
      await fits.writer.close();
      const large = await ours.takeOver(syncName('size'));
      const sending = sendRecords(
        large.writer,
        [{ topic: 'SMALL', value: recordValue(Buffer.alloc(4_931, 65)) }],
        first,
      );
      await assert.rejects(sending, { reason: 'KafkaRefused', name: 'TransientError' });
      await large.writer.close();
    });
  });

  /** A sidecar tries again as well, while a Kafka that is back loads what it knows of transactions. */
  async function takenOver(lfhId: string): Promise<Awaited<ReturnType<OpenKafka['takeOver']>>> {
    let taken: Awaited<ReturnType<OpenKafka['takeOver']>> | undefined;
    await until('it is taken over', async () => {
      taken = await ours.takeOver(syncName(lfhId));
      return true;
    });
    assert.ok(taken);
    return taken;
  }

  it('is given up when it falls silent in the middle of a batch, and what was sent then never shows', async () => {
    const { writer } = await ours.takeOver(syncName('silent'));
    await ours.ensureTopics(['SILENT']);
    await kafka.pause();
    const givesUp = async (): Promise<void> => {
      await assert.rejects(
        sendRecords(writer, [{ topic: 'SILENT', value: recordValue(Buffer.from('lost')) }], first),
        UncertainCommitError,
      );
      await writer.close();
    };
    try {
      await soonerThan(20_000, 'Kafka is given up', givesUp());
    } finally {
      kafka.resume();
    }
    const heir = await takenOver('silent');
    assert.equal(heir.position, undefined);
    await sendRecords(heir.writer, [{ topic: 'SILENT', value: recordValue(Buffer.from('kept')) }], first);
    await heir.writer.commit();
    await heir.writer.close();
    assert.deepEqual(await readWithKafkajs('SILENT', 'kept'), ['kept']);
  });

  it('is a transient error within seconds when it is down', async () => {
    await kafka.stop();
    const failing = assert.rejects(ours.takeOver(syncName('down')), TransientError);
    await soonerThan(30_000, 'the take-over fails', failing);
    await kafka.start();
    const { writer } = await takenOver('down');
    await writer.close();
  });
});

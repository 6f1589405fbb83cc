import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { positionTopic, syncName, transactionalId } from '../../../common/contract/names.ts';
import type { OpenKafka } from '../../../sidecar/kafka/open.ts';
import { encodePosition, type Position } from '../../../sidecar/replay/position.ts';
import { recordValue } from '../../../sidecar/replay/record-value.ts';
import { until } from '../../kit/processes/process.ts';
import { ALLOWS_HANGING, endIn, leaveHanging } from '../../kit/servers/hanging-transaction.ts';
import { KafkaServer } from '../../kit/servers/kafka.ts';
import { openSidecarKafka, sendRecords } from '../../kit/servers/sidecar-kafka.ts';
import { type ReadRecord, readTopic } from '../../kit/servers/topic-reader.ts';

describe('a transaction that Kafka has left open', () => {
  let directory: string;
  let kafka: KafkaServer;
  let ours: OpenKafka;
  const first: Position = { stream: 'EVENTS', identity: 'i', sequence: 1, time: 5, consumerSequence: 1, from: 0 };

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lfh-sync-hanging-'));
    kafka = await KafkaServer.start({ directory, properties: ALLOWS_HANGING });
    ours = openSidecarKafka(kafka.brokers);
  });

  after(async () => {
    await ours.close();
    await kafka.stop();
    await rm(directory, { recursive: true });
  });

  /** Takes a peer over, and writes one record to each topic in one transaction with a position. */
  async function replay(peer: string, uuid: string, position: Position): Promise<Position | undefined> {
    const { writer, position: before } = await ours.takeOver(syncName(peer));
    const topics = ['LFH_SYNC', 'FHIR-R4'];
    await ours.ensureTopics(topics);
    await sendRecords(
      writer,
      topics.map((topic) => ({ topic, value: recordValue(Buffer.from(uuid)) })),
      position,
    );
    await writer.commit();
    await writer.close();
    return before;
  }

  /** What readers of committed records see in a topic, as soon as it is so many. */
  async function committed(topic: string, count: number): Promise<ReadRecord[]> {
    let records: ReadRecord[] = [];
    const enough = async (): Promise<boolean> => {
      records = await readTopic(kafka, topic);
      return records.length >= count;
    };
    await until(`${count} records are committed in ${topic}`, enough);
    return records;
  }

  it('is aborted by the next take-over in every topic it wrote to, so that the position before it counts', async () => {
    await replay('hung', 'one', first);
    // As the sidecar writes them: where, is taken from what it has just written.
    const written = (await committed(positionTopic(syncName('hung')), 2)).at(-1);
    const headers = written?.headers as Record<string, string>;
    const partitions = JSON.parse(headers.partitions as string) as Record<string, number>;
    assert.deepEqual(Object.keys(partitions).sort(), ['FHIR-R4', 'LFH_SYNC']);
    await leaveHanging(kafka, transactionalId('local', syncName('hung')), [
      ...Object.entries(partitions).map(([topic, partition]) => ({ topic, partition, key: null, value: 'hanging' })),
      {
        topic: positionTopic(syncName('hung')),
        partition: 0,
        key: 'position',
        value: encodePosition({ ...first, sequence: 2 }),
      },
    ]);

    const found = await replay('hung', 'two', { ...first, sequence: 3 });

    assert.equal(found?.sequence, 1);
    for (const topic of ['LFH_SYNC', 'FHIR-R4']) {
      const values = (await committed(topic, 2)).map(({ value }) => value.toString());
      assert.deepEqual(values, ['one', 'two'], topic);
    }
    assert.equal(await replay('hung', 'three', { ...first, sequence: 4 }).then((before) => before?.sequence), 3);
  });

  it('is aborted in every topic it wrote to also where the next transaction was aborted in the others', async () => {
    await replay('partly', 'six', first);
    const position = positionTopic(syncName('partly'));
    const headers = (await committed(position, 2)).at(-1)?.headers as Record<string, string>;
    const partitions = JSON.parse(headers.partitions as string) as Record<string, number>;
    const id = transactionalId('local', syncName('partly'));
    await leaveHanging(kafka, id, [
      ...Object.entries(partitions).map(([topic, partition]) => ({ topic, partition, key: null, value: 'half' })),
      { topic: position, partition: 0, key: 'position', value: encodePosition({ ...first, sequence: 2 }) },
    ]);
    await endIn(kafka, id, 'abort', { [position]: 0, LFH_SYNC: partitions.LFH_SYNC as number });

    const found = await replay('partly', 'seven', { ...first, sequence: 3 });

    assert.equal(found?.sequence, 1);
    for (const topic of ['LFH_SYNC', 'FHIR-R4']) {
      await until('all is committed', async () =>
        (await readTopic(kafka, topic)).some(({ value }) => value.toString() === 'seven'),
      );
      const values = (await readTopic(kafka, topic)).map(({ value }) => value.toString());
      assert.deepEqual(
        values.filter((value) => ['six', 'half', 'seven'].includes(value)),
        ['six', 'seven'],
        topic,
      );
    }
  });

  it('is aborted also where it begins far before the end of the position topic', async () => {
    await replay('early', 'eight', first);
    const topic = positionTopic(syncName('early'));
    const headers = (await committed(topic, 2)).at(-1)?.headers as Record<string, string>;
    const value = encodePosition({ ...first, sequence: 2 });
    await leaveHanging(kafka, transactionalId('local', syncName('early')), [
      { topic, partition: 0, key: 'position', value, headers },
    ]);
    const producer = kafka.client().producer();
    await producer.connect();
    await producer.send({ topic, messages: Array.from({ length: 300 }, () => ({ key: 'end', value: null })) });
    await producer.disconnect();

    assert.equal((await replay('early', 'nine', { ...first, sequence: 3 }))?.sequence, 1);
  });

  it('is aborted in the topics that are left when one of them was deleted since', async () => {
    await replay('deleted', 'four', first);
    const position = positionTopic(syncName('deleted'));
    await leaveHanging(kafka, transactionalId('local', syncName('deleted')), [
      {
        topic: position,
        partition: 0,
        key: 'position',
        value: encodePosition({ ...first, sequence: 2 }),
        headers: { partitions: JSON.stringify({ GONE: 1 }) },
      },
    ]);

    assert.equal((await replay('deleted', 'five', { ...first, sequence: 3 }))?.sequence, 1);
  });

  /** Leaves a transaction of a peer open in LFH_SYNC, in FHIR-R4, and in the position topic. */
  async function leaveOpen(peer: string, value: string, sequence: number): Promise<Readonly<Record<string, number>>> {
    const position = positionTopic(syncName(peer));
    const headers = (await committed(position, 2)).at(-1)?.headers;
    const partitions = JSON.parse(headers?.partitions ?? '') as Record<string, number>;
    await leaveHanging(kafka, transactionalId('local', syncName(peer)), [
      ...Object.entries(partitions).map(([topic, partition]) => ({ topic, partition, key: null, value })),
      { topic: position, partition: 0, key: 'position', value: encodePosition({ ...first, sequence }) },
    ]);
    return { ...partitions, [position]: 0 };
  }

  /** Waits until a value is committed in both topics, and expects that of some values these are, in this order. */
  async function assertCommitted(of: readonly string[], expected: readonly string[]): Promise<void> {
    for (const topic of ['LFH_SYNC', 'FHIR-R4']) {
      let values: string[] = [];
      const isThere = async (): Promise<boolean> => {
        values = (await readTopic(kafka, topic)).map(({ value }) => value.toString());
        return values.includes(expected.at(-1) as string);
      };
      await until(`${expected.at(-1)} is committed in ${topic}`, isThere);
      assert.deepEqual(
        values.filter((value) => of.includes(value)),
        expected,
        topic,
      );
    }
  }

  it('in its position and a topic, and was committed in another, counts and is committed in all', async () => {
    await replay('twice', 'thirty', first);
    const { LFH_SYNC } = await leaveOpen('twice', 'thirty-one', 2);
    await endIn(kafka, transactionalId('local', syncName('twice')), 'commit', { LFH_SYNC: LFH_SYNC as number });

    const found = await replay('twice', 'thirty-two', { ...first, sequence: 3 });

    assert.equal(found?.sequence, 2);
    await assertCommitted(['thirty', 'thirty-one', 'thirty-two'], ['thirty', 'thirty-one', 'thirty-two']);
    assert.equal((await replay('twice', 'last', { ...first, sequence: 4 }))?.sequence, 3);
  });

  it('in its position, where the next one was aborted, and was committed in a topic, counts as well', async () => {
    await replay('undone', 'eleven', first);
    const { LFH_SYNC, ...others } = await leaveOpen('undone', 'twelve', 2);
    const id = transactionalId('local', syncName('undone'));
    await endIn(kafka, id, 'commit', { LFH_SYNC: LFH_SYNC as number });
    await endIn(kafka, id, 'abort', { [positionTopic(syncName('undone'))]: 0 });
    assert.ok('FHIR-R4' in others, 'it is still open in FHIR-R4');

    const found = await replay('undone', 'thirteen', { ...first, sequence: 3 });

    assert.equal(found?.sequence, 2);
    await assertCommitted(['eleven', 'twelve', 'thirteen'], ['eleven', 'twelve', 'thirteen']);
  });

  it('and was committed in some topics and aborted in others is aborted, since being twice is better than being lost', async () => {
    await replay('torn', 'fourteen', first);
    const { LFH_SYNC, 'FHIR-R4': fhir } = await leaveOpen('torn', 'fifteen', 2);
    const id = transactionalId('local', syncName('torn'));
    await endIn(kafka, id, 'commit', { LFH_SYNC: LFH_SYNC as number });
    await endIn(kafka, id, 'abort', { 'FHIR-R4': fhir as number });

    assert.equal((await replay('torn', 'sixteen', { ...first, sequence: 3 }))?.sequence, 1);
  });

  it('in some topics, while its position is committed, is committed there before the next one can be aborted', async () => {
    await replay('lost', 'seventeen', first);
    await leaveOpen('lost', 'eighteen', 2);
    const id = transactionalId('local', syncName('lost'));
    const position = positionTopic(syncName('lost'));
    await endIn(kafka, id, 'commit', { [position]: 0 });

    const { writer, position: found } = await ours.takeOver(syncName('lost'));
    const topics = ['LFH_SYNC', 'FHIR-R4'];
    await ours.ensureTopics(topics);
    const records = topics.map((topic) => ({ topic, value: recordValue(Buffer.from('nineteen')) }));
    await sendRecords(writer, records, { ...first, sequence: 3 });
    // Aborts what it has sent.
    await writer.close();

    assert.equal(found?.sequence, 2);
    await replay('lost', 'twenty', { ...first, sequence: 3 });
    await assertCommitted(['seventeen', 'eighteen', 'nineteen', 'twenty'], ['seventeen', 'eighteen', 'twenty']);
  });

  it('in a topic, and never got as far as its position, is aborted there and not carried along', async () => {
    await replay('ahead', 'twenty-one', first);
    const written = (await committed(positionTopic(syncName('ahead')), 2)).at(-1)?.headers;
    const partitions = JSON.parse(written?.partitions ?? '') as Record<string, number>;
    await leaveHanging(
      kafka,
      transactionalId('local', syncName('ahead')),
      Object.entries(partitions).map(([topic, partition]) => ({ topic, partition, key: null, value: 'ahead' })),
    );

    assert.equal((await replay('ahead', 'twenty-two', { ...first, sequence: 2 }))?.sequence, 1);
    await assertCommitted(['twenty-one', 'ahead', 'twenty-two'], ['twenty-one', 'twenty-two']);
  });

  it("of somebody else's in a position topic is left alone, and told of", async () => {
    await replay('foreign', 'one', first);
    const value = encodePosition({ ...first, sequence: 2 });
    await leaveHanging(kafka, 'somebody-else', [
      { topic: positionTopic(syncName('foreign')), partition: 0, key: 'position', value },
    ]);

    await assert.rejects(ours.takeOver(syncName('foreign')), {
      reason: 'KafkaUnavailable',
      message: /a transaction that is not ours is open in LFH_SYNC_POSITION_lfh-sync-foreign/,
    });
  });
});

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { UncertainCommitError } from '../../../../common/errors.ts';
import { BufferPool } from '../../../../sidecar/kafka/buffer-pool.ts';
import { encodeProduce, outcomeOf, type ProduceAnswer, shareOut } from '../../../../sidecar/kafka/produce-request.ts';
import { RecordBatch } from '../../../../sidecar/kafka/record-batch.ts';
import { recordValue } from '../../../../sidecar/replay/record-value.ts';

const MEGA = 1024 * 1024;

/** A sealed batch of one record. */
function batchOf(topic: string, partition: number, bytes: number, sequence = 0): RecordBatch {
  const batch = new RecordBatch({ topic, partition }, 200 * MEGA, new BufferPool(), 0);
  batch.add({ key: null, value: recordValue(Buffer.alloc(bytes)) });
  batch.seal({ producerId: 1n, producerEpoch: 0 }, sequence);
  return batch;
}

describe('an answer to a produce request', () => {
  const place = { topic: 'FHIR-R4', partition: 1 };
  type Answered = readonly [topicName: string, partition: number, errorCode: number, baseOffset: string];
  const answer = (...answered: readonly Answered[]): ProduceAnswer => ({
    topics: answered.map(([topicName, partition, errorCode, baseOffset]) => ({
      topicName,
      partitions: [{ partition, errorCode, baseOffset }],
    })),
  });
  const other: Answered = ['LFH_SYNC', 0, 0, '4'];

  it('gives a batch its offset when it is for that topic and partition', () => {
    assert.deepEqual(outcomeOf(place, answer(other, ['FHIR-R4', 1, 0, '7'])), { baseOffset: 7n });
  });

  it('gives a batch its error', () => {
    assert.deepEqual(outcomeOf(place, answer(other, ['FHIR-R4', 1, 6, '-1'])), { errorCode: 6 });
  });

  const failures: readonly [what: string, answered: readonly Answered[]][] = [
    ['does not have the topic', [other]],
    ['is for another partition', [['FHIR-R4', 0, 0, '7']]],
    ['has the offset -1, which Kafka uses for unknown', [['FHIR-R4', 1, 0, '-1']]],
    [
      'comes twice',
      [
        ['FHIR-R4', 1, 0, '7'],
        ['FHIR-R4', 1, 0, '8'],
      ],
    ],
  ];
  for (const [what, answered] of failures) {
    it(`that ${what} is a commit that is uncertain`, () => {
      assert.throws(() => outcomeOf(place, answer(...answered)), UncertainCommitError);
    });
  }
});

describe('record batches', () => {
  it('are shared out so that a request has one of each partition, in their order', () => {
    const batches = ['A0', 'B0', 'A0', 'A1', 'A0', 'B0'].map((at, n) =>
      batchOf(at.slice(0, 1), Number(at.slice(1)), 10, n),
    );
    const shape = shareOut(batches).map((request) => request.map((batch) => batches.indexOf(batch)));
    assert.deepEqual(shape, [[0, 1, 3], [2, 5], [4]]);
  });

  it('are shared out so that no request is larger than a broker takes, in their order', () => {
    const batches = ([20, 20, 60, 1, 60, 60] as const).map((size, n) =>
      batchOf(n % 2 ? 'DICOM' : 'LFH_SYNC', 0, size * MEGA, n),
    );
    const requests = shareOut(batches);
    for (const request of requests) {
      const bytes = request.reduce((sum, batch) => sum + batch.bytes.length, 0);
      assert.ok(request.length === 1 || bytes <= 32 * MEGA);
    }
    for (const topic of ['LFH_SYNC', 'DICOM']) {
      assert.deepEqual(
        requests.flat().filter((batch) => batch.topic === topic),
        batches.filter((batch) => batch.topic === topic),
      );
    }
  });
});

describe('a produce request', () => {
  const inside = createRequire(import.meta.resolve('kafkajs/src/index.js'));
  const createRequest = inside('./protocol/request') as (request: object) => Promise<{ readonly buffer: Buffer }>;
  const protocol = inside('./protocol/requests/produce/v7/request') as (request: object) => object;

  it("is kafkajs's but for the record batches in it", async () => {
    const batches = [batchOf('FHIR-R4', 2, 100), batchOf('LFH_SYNC', 0, 5_000)];
    const bytes = Buffer.concat(encodeProduce('lfh-sync-b', 70_000, 'lfh-sync.b.a', batches));
    const value = (size: number): object[] => [{ key: null, value: Buffer.alloc(size) }];
    const topicData = [
      { topic: 'FHIR-R4', partitions: [{ partition: 2, firstSequence: 0, messages: value(100) }] },
      { topic: 'LFH_SYNC', partitions: [{ partition: 0, firstSequence: 0, messages: value(5_000) }] },
    ];
    const request = protocol({
      acks: -1,
      timeout: 10_000,
      transactionalId: 'lfh-sync.b.a',
      producerId: '1',
      topicData,
    });
    const { buffer } = await createRequest({ request, correlationId: 70_000, clientId: 'lfh-sync-b' });
    for (const { bytes: batch } of batches) {
      const at = bytes.indexOf(batch);
      assert.ok(at > 0);
      bytes.fill(0, at, at + batch.length);
      buffer.fill(0, at, at + batch.length);
    }
    assert.deepEqual(bytes, buffer);
  });

  it('is in no transaction without a transactional id', () => {
    const batch = batchOf('FHIR-R4', 0, 1);
    const [inTransaction, outside] = ['x', null].map((id) => Buffer.concat(encodeProduce('c', 1, id, [batch])));
    assert.equal((inTransaction?.length ?? 0) - (outside?.length ?? 0), 1);
    assert.equal(outside?.readInt16BE(4 + 2 + 2 + 4 + 2 + 1), -1);
  });
});

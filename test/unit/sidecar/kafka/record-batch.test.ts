import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import fc from 'fast-check';
import { BufferPool, POOLED_BYTES } from '../../../../sidecar/kafka/buffer-pool.ts';
import { type BatchRecord, RecordBatch } from '../../../../sidecar/kafka/record-batch.ts';
import { batchBytes } from '../../../../sidecar/replay/record-size.ts';
import { bytesOf, recordValue } from '../../../../sidecar/replay/record-value.ts';
import { realIntake } from '../../../kit/golden/messages.ts';

const inside = createRequire(import.meta.resolve('kafkajs/src/index.js'));
/** kafkajs's own encoder, and its decoder. */
const Record = inside('./protocol/recordBatch/record/v0') as (record: object) => object;
const { RecordBatch: encodeBatch } = inside('./protocol/recordBatch/v0') as {
  readonly RecordBatch: (batch: object) => Promise<{ readonly buffer: Buffer }>;
};
const decodeBatch = inside('./protocol/recordBatch/v0/decoder') as (decoder: object) => Promise<{
  readonly producerId: string;
  readonly producerEpoch: number;
  readonly firstSequence: number;
  readonly inTransaction: boolean;
  readonly records: readonly {
    readonly offset: string;
    readonly timestamp: string;
    readonly key: Buffer | null;
    readonly value: Buffer | null;
    readonly headers: Readonly<{ [name: string]: Buffer }>;
  }[];
}>;
const Decoder = inside('./protocol/decoder') as new (bytes: Buffer) => object;

const PLACE = { topic: 'FHIR-R4', partition: 3 };
const NOW = 1_795_886_400_123;
const BY = { producerId: 4_000_000_123n, producerEpoch: 7 };
const SEQUENCE = 2 ** 31 - 2;
const LIMIT = 1_048_588;

function ours(records: readonly BatchRecord[], pool = new BufferPool()): RecordBatch {
  const batch = new RecordBatch(PLACE, LIMIT, pool, NOW);
  for (const record of records) assert.ok(batch.add(record));
  batch.seal(BY, SEQUENCE);
  return batch;
}

async function theirs(records: readonly BatchRecord[]): Promise<Buffer> {
  const encoded = records.map(({ key, value, headers }, offsetDelta) =>
    Record({ key, value: value && bytesOf(value), headers, offsetDelta, timestampDelta: 0 }),
  );
  const { buffer } = await encodeBatch({
    records: encoded,
    firstTimestamp: NOW,
    maxTimestamp: NOW,
    // Kafka's own producer says that it does not know it, where kafkajs says 0.
    partitionLeaderEpoch: -1,
    producerId: String(BY.producerId),
    producerEpoch: BY.producerEpoch,
    firstSequence: SEQUENCE,
    transactional: true,
    lastOffsetDelta: records.length - 1,
  });
  return buffer;
}

const text = fc.string({ unit: 'binary' });
const value = fc.array(
  fc.oneof(fc.string({ unit: 'binary-ascii', maxLength: 300 }), fc.uint8Array({ maxLength: 300 })),
);
/** kafkajs's decoder mistakes what each object has for a header that came before. */
const headerName = fc.string({ minLength: 1 }).filter((name) => !(name in {}));
const record: fc.Arbitrary<BatchRecord> = fc.record({
  key: fc.option(text),
  value: fc.option(value.map((pieces) => recordValue(...pieces))),
  headers: fc.option(fc.dictionary(headerName, text), { nil: undefined }),
});
const records = fc.array(record, { minLength: 1, maxLength: 200 });

describe('a record batch', () => {
  it("is byte for byte kafkajs's, with connect's messages", async () => {
    const messages = realIntake().map(({ bytes }) => ({ key: null, value: recordValue(bytes) }));
    assert.deepEqual(ours(messages).bytes, await theirs(messages));
  });

  it("is byte for byte kafkajs's, with lengths that take one byte more than the one before", async () => {
    const lengths = [0, 63, 64, 8_191, 8_192, 70_000];
    const messages = lengths.map((length) => ({ key: 'k'.repeat(length), value: recordValue('v'.repeat(length)) }));
    assert.deepEqual(ours(messages).bytes, await theirs(messages));
    const large = [{ key: null, value: recordValue(Buffer.alloc(2 ** 20 + 1, 'v')) }];
    assert.deepEqual(ours(large).bytes, await theirs(large));
  });

  it("is byte for byte kafkajs's, whatever the records are", async () => {
    await fc.assert(
      fc.asyncProperty(records, async (given) => {
        assert.deepEqual(ours(given).bytes, await theirs(given));
      }),
      { numRuns: 200 },
    );
  });

  it('is read back by kafkajs as it was given', async () => {
    await fc.assert(
      fc.asyncProperty(records, async (given) => {
        const decoder = new Decoder(ours(given).bytes);
        const read = await decodeBatch(decoder);
        const { producerId, producerEpoch, firstSequence, inTransaction } = read;
        assert.deepEqual(
          { producerId, producerEpoch, firstSequence, inTransaction },
          { ...BY, producerId: String(BY.producerId), firstSequence: SEQUENCE, inTransaction: true },
        );
        assert.deepEqual(
          read.records.map((each) => [each.offset, each.timestamp, each.key, each.value, { ...each.headers }]),
          given.map((each, index) => [
            String(index),
            String(NOW),
            each.key === null ? null : Buffer.from(each.key),
            each.value && bytesOf(each.value),
            Object.fromEntries(Object.entries(each.headers ?? {}).map(([name, said]) => [name, Buffer.from(said)])),
          ]),
        );
      }),
      { numRuns: 50 },
    );
  });

  it('takes what fits into the topic, to the byte, and its first record in any case', () => {
    const limit = batchBytes(5_000);
    const fits = new RecordBatch(PLACE, limit, new BufferPool(), NOW);
    assert.ok(fits.add({ key: null, value: recordValue('v'.repeat(5_000)) }));
    assert.equal(fits.bytes.length, limit);
    assert.ok(!fits.add({ key: null, value: recordValue() }));
    assert.equal(fits.bytes.length, limit);
    assert.equal(fits.count, 1);
    const large = new RecordBatch(PLACE, limit, new BufferPool(), NOW);
    assert.ok(large.add({ key: null, value: recordValue('v'.repeat(5_001)) }));
  });

  it('grows no further than a buffer of the pool, whatever the topic takes', () => {
    const batch = new RecordBatch(PLACE, 100_000_000, new BufferPool(), NOW);
    const kilobyte = { key: null, value: recordValue('v'.repeat(1_000)) };
    let count = 0;
    while (batch.add(kilobyte)) count += 1;
    assert.ok(batch.bytes.length <= POOLED_BYTES && batch.bytes.length > POOLED_BYTES - 1_100);
    assert.equal(batch.count, count);
  });

  it('is the same in memory that another one was in before', async () => {
    const pool = new BufferPool();
    const long = [{ key: null, value: recordValue('x'.repeat(500_000)) }];
    ours(long, pool).release();
    const short = [{ key: null, value: recordValue('y'.repeat(20_000)) }];
    assert.deepEqual(ours(short, pool).bytes, await theirs(short));
  });
});

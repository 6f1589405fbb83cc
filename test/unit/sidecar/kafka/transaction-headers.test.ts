import assert from 'node:assert/strict';
import type { FetchedRecord } from '../../../../sidecar/kafka/fetch.ts';
import {
  isUpTo,
  isWrittenAgain,
  joinedHeaders,
  namesPartitions,
  sequenced,
  transactionHeaders,
  writtenAgain,
  writtenPlaces,
} from '../../../../sidecar/kafka/transaction-headers.ts';

function record(headers: Readonly<Record<string, string>>, offset = '7', firstSequence = 40): FetchedRecord {
  return {
    offset,
    timestamp: '1',
    key: null,
    value: null,
    headers: Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)])),
    batchContext: { producerId: '5', producerEpoch: 3, firstSequence, firstOffset: '5', timestampType: 0 },
  };
}

describe('the headers of a position', () => {
  it('name where its transaction wrote, and the last record there', () => {
    const headers = transactionHeaders({ producerEpoch: 3 }, [
      { topic: 'LFH_SYNC', partition: 0, lastSequence: 9, timestamp: 100 },
      { topic: '__proto__', partition: 2, lastSequence: 4, timestamp: 101 },
      { topic: 'LFH_SYNC', partition: 0, lastSequence: 12, timestamp: 102 },
    ]);
    assert.ok(namesPartitions(record(headers)));
    assert.deepEqual(writtenPlaces(record(headers)), [
      { topic: 'LFH_SYNC', partition: 0, last: { epoch: 3, sequence: 12, timestamp: 102 } },
      { topic: '__proto__', partition: 2, last: { epoch: 3, sequence: 4, timestamp: 101 } },
    ]);
  });

  it('of an older sidecar name no last record', () => {
    const headers = { partitions: '{"LFH_SYNC":1}' };
    assert.deepEqual(writtenPlaces(record(headers)), [{ topic: 'LFH_SYNC', partition: 1, last: undefined }]);
  });

  it('that is written again in place of several name where any of them wrote, and the last record there', () => {
    const wrote = (topic: string, lastSequence: number) => ({
      topic,
      partition: 1,
      lastSequence,
      timestamp: lastSequence,
    });
    const one = transactionHeaders({ producerEpoch: 3 }, [wrote('LFH_SYNC', 4), wrote('FHIR-R4', 5)]);
    const other = transactionHeaders({ producerEpoch: 3 }, [wrote('LFH_SYNC', 8)]);
    const joined = record(joinedHeaders([record(one), record(other)]));
    assert.ok(isWrittenAgain(joined));
    assert.deepEqual(writtenPlaces(joined), [
      { topic: 'LFH_SYNC', partition: 1, last: { epoch: 3, sequence: 8, timestamp: 8 } },
      { topic: 'FHIR-R4', partition: 1, last: { epoch: 3, sequence: 5, timestamp: 5 } },
    ]);
    const older = record(joinedHeaders([record({ partitions: '{"LFH_SYNC":1}' })]));
    assert.deepEqual(writtenPlaces(older), [{ topic: 'LFH_SYNC', partition: 1, last: undefined }]);
  });

  it('say of a record that is written again only that it is, besides what it had', () => {
    const { headers } = record(writtenAgain(record({ some: 'thing' }).headers));
    assert.deepEqual(Object.keys(headers), ['some', 'again']);
    assert.equal(isWrittenAgain(record({ some: 'thing' })), false);
  });

  it('name nothing where there are none', () => {
    assert.equal(namesPartitions(record({})), false);
    assert.deepEqual(writtenPlaces(record({})), []);
  });
});

describe('the sequence number of a record', () => {
  it('is counted from the first of its batch, and goes on at 0 behind 2^31 - 1', () => {
    assert.deepEqual(sequenced(record({}, '7', 40)), { epoch: 3, sequence: 42 });
    assert.deepEqual(sequenced(record({}, '7', 2 ** 31 - 1)), { epoch: 3, sequence: 1 });
  });

  const cases: readonly [what: string, record: [number, number], last: [number, number], expected: boolean][] = [
    ['the same', [3, 5], [3, 5], true],
    ['an earlier one', [3, 4], [3, 5], true],
    ['a later one', [3, 6], [3, 5], false],
    ['one of an earlier epoch', [2, 9], [3, 5], true],
    ['one of a later epoch', [4, 0], [3, 5], false],
    ['an earlier one, before the numbers begin again', [3, 2 ** 31 - 1], [3, 1], true],
    ['a later one, behind their new beginning', [3, 1], [3, 2 ** 31 - 1], false],
  ];
  for (const [what, [epoch, sequence], [lastEpoch, last], expected] of cases) {
    it(`${expected ? 'is' : 'is not'} up to another one where it is ${what}`, () => {
      assert.equal(isUpTo({ epoch, sequence }, { epoch: lastEpoch, sequence: last }), expected);
    });
  }
});

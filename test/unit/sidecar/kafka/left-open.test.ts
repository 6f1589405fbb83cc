import assert from 'node:assert/strict';
import { findIn, type Seen, weigh } from '../../../../sidecar/kafka/commit-evidence.ts';
import type { FetchedRecord } from '../../../../sidecar/kafka/fetch.ts';
import { copiesOf } from '../../../../sidecar/kafka/hanging-transaction.ts';
import { writtenPlaces } from '../../../../sidecar/kafka/transaction-headers.ts';
import { endingOf } from '../../../../sidecar/kafka/unfinished-commit.ts';

describe('what the partitions of some transactions show together', () => {
  type Places = Readonly<Record<string, Seen>>;
  const weighed = (positions: 'open' | 'aborted', ...shown: readonly Places[]) =>
    weigh(
      shown.map((places) => new Map(Object.entries(places))),
      positions,
    );

  it('is that none counts, and none is torn, where none is committed anywhere', () => {
    const nothing = { whole: 0, torn: [], unseen: [] };
    assert.deepEqual(weighed('open'), nothing);
    assert.deepEqual(weighed('aborted', {}), nothing);
    assert.deepEqual(weighed('aborted', { a: 'open', b: 'unknown' }, { a: 'missing', c: 'aborted' }), nothing);
  });

  it('is that one counts which is committed in a partition and lost in none', () => {
    assert.deepEqual(weighed('open', { a: 'committed', b: 'open' }), { whole: 1, torn: [], unseen: [] });
  });

  it('is that one is torn which is committed in a partition, and aborted or missing in another', () => {
    assert.deepEqual(weighed('open', { a: 'committed', b: 'aborted' }), { whole: 0, torn: ['b'], unseen: [] });
    assert.deepEqual(weighed('open', { a: 'missing', b: 'committed' }), { whole: 0, torn: ['a'], unseen: [] });
  });

  it('is that those before one which is committed count with it', () => {
    const shown = [{ a: 'open' }, { b: 'open', c: 'committed' }, { a: 'aborted' }] as const;
    assert.deepEqual(weighed('open', ...shown), { whole: 2, torn: [], unseen: [] });
  });

  it('is that one which is lost somewhere is torn although only one after it is committed, and none after it counts', () => {
    assert.deepEqual(weighed('open', { a: 'aborted' }, { b: 'committed' }), { whole: 0, torn: ['a'], unseen: [] });
  });

  it('is that one counts before another one that is torn', () => {
    const shown = [{ a: 'committed' }, { b: 'open' }, { a: 'committed', c: 'aborted' }] as const;
    assert.deepEqual(weighed('open', ...shown), { whole: 1, torn: ['c'], unseen: [] });
  });

  describe('where one of them shows nothing', () => {
    const half = { a: 'committed', hidden: 'unknown' } as const;
    const counts = { whole: 1, torn: [], unseen: ['hidden'] };
    const isTorn = { whole: 0, torn: ['hidden'], unseen: [] };

    it('is that it counts while its position is open and none came after it', () => {
      assert.deepEqual(weighed('open', half), counts);
    });

    it('is that it is torn where its position was aborted, and nothing tells by which', () => {
      assert.deepEqual(weighed('aborted', half), isTorn);
    });

    for (const positions of ['open', 'aborted'] as const) {
      it(`is that it is torn where one that is not committed has written there, and the positions are ${positions}`, () => {
        assert.deepEqual(weighed(positions, half, { hidden: 'unknown' }), isTorn);
        assert.deepEqual(weighed(positions, half, { a: 'missing', hidden: 'unknown' }), isTorn);
      });

      it(`is that it counts where one that is not committed has written elsewhere, and the positions are ${positions}`, () => {
        assert.deepEqual(weighed(positions, half, { a: 'aborted' }), counts);
      });
    }

    it('is that it counts where all that have written there after it are committed as well', () => {
      assert.deepEqual(weighed('open', half, half), { whole: 2, torn: [], unseen: ['hidden'] });
      assert.deepEqual(weighed('aborted', half, half, { b: 'aborted' }), { whole: 2, torn: [], unseen: ['hidden'] });
    });

    it('is that all are torn that have written there before one which is not committed', () => {
      assert.deepEqual(weighed('open', half, half, { hidden: 'unknown' }), isTorn);
    });
  });
});

interface Written {
  readonly sequence: number;
  readonly epoch?: number;
  readonly producerId?: string;
  readonly timestamp?: number;
}

function written({ sequence, epoch = 3, producerId = '5', timestamp = 1_000 }: Written): FetchedRecord {
  return {
    offset: String(100 + sequence),
    timestamp: String(timestamp),
    key: null,
    value: null,
    headers: {},
    batchContext: {
      producerId,
      producerEpoch: epoch,
      firstSequence: sequence,
      firstOffset: String(100 + sequence),
      timestampType: 0,
    },
  };
}

describe("a producer's record, looked for among some of its partition,", () => {
  const wanted = { epoch: 3, sequence: 5, timestamp: 1_000 };
  const find = (...records: readonly Written[]) => findIn(records.map(written), '5', wanted);

  it('is found between others', () => {
    assert.equal(find({ sequence: 4 }, { sequence: 5, producerId: '6' }, { sequence: 5 }, { sequence: 6 }), 105n);
  });

  it('may still come behind earlier ones, and behind those of others', () => {
    assert.equal(find(), undefined);
    assert.equal(find({ sequence: 9, epoch: 2 }, { sequence: 4 }, { sequence: 9, producerId: '6' }), undefined);
  });

  it('is missing where the producer has written a later one', () => {
    assert.equal(find({ sequence: 6 }, { sequence: 5 }), 'missing');
    assert.equal(find({ sequence: 0, epoch: 4 }), 'missing');
  });

  it('is missing where anybody has written one that is younger than its transaction and the clocks allow', () => {
    assert.equal(find({ sequence: 9, producerId: '6', timestamp: 71_000 }), undefined);
    assert.equal(find({ sequence: 9, producerId: '6', timestamp: 71_001 }), 'missing');
  });
});

describe('what is written again in place of some records', () => {
  const record = (key: string, value: string | null, headers: Record<string, string> = {}): FetchedRecord => ({
    ...written({ sequence: 0 }),
    key: Buffer.from(key),
    value: value === null ? null : Buffer.from(value),
    headers: Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)])),
  });
  const position = (value: string, topic: string) => record('position', value, { partitions: `{"${topic}":1}` });

  it('is the newest of each key, and last the position, which names where all of them wrote', () => {
    const copies = copiesOf([
      position('one', 'FHIR-R4'),
      record('mark', 'one'),
      record('other', 'one'),
      position('two', 'LFH_SYNC'),
      record('mark', null),
    ]);
    assert.deepEqual(
      copies.map(({ key, value }) => [key, value && value.length]),
      [
        ['mark', null],
        ['other', 3],
        ['position', 3],
      ],
    );
    const headers = Object.entries(copies.at(-1)?.headers ?? {});
    const places = writtenPlaces(record('position', 'two', Object.fromEntries(headers)));
    assert.deepEqual(
      places.map(({ topic }) => topic),
      ['FHIR-R4', 'LFH_SYNC'],
    );
    assert.ok(copies.every((copy) => copy.headers?.again !== undefined));
  });
});

describe('what a producer has open in a partition, where the record 5 is the last that is known to be committed,', () => {
  const committed = { epoch: 3, sequence: 5, timestamp: 0 };
  const at = (sequence: number) => ({ epoch: 3, sequence });

  it('is committed where it goes no further', () => {
    assert.equal(endingOf(at(5), at(2), committed), 'commit');
  });

  it('is aborted where it begins behind it', () => {
    assert.equal(endingOf(at(9), at(6), committed), 'abort');
  });

  it('is taken for both where it begins before and goes further, or its first record is gone', () => {
    assert.equal(endingOf(at(9), at(5), committed), 'both');
    assert.equal(endingOf(at(9), undefined, committed), 'both');
  });
});

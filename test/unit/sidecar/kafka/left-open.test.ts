import assert from 'node:assert/strict';
import { type Seen, verdictOf } from '../../../../sidecar/kafka/commit-evidence.ts';
import { endingOf } from '../../../../sidecar/kafka/unfinished-commit.ts';

describe('what the partitions of a transaction show together', () => {
  const cases: readonly [readonly Seen[], ReturnType<typeof verdictOf>][] = [
    [[], 'unproven'],
    [['open', 'unknown', 'missing', 'aborted'], 'unproven'],
    [['open', 'committed', 'unknown'], 'committed'],
    [['committed', 'aborted'], 'torn'],
    [['missing', 'committed'], 'torn'],
  ];
  for (const [seen, expected] of cases) {
    it(`is ${expected} where they are ${seen.join(', ') || 'none'}`, () => assert.equal(verdictOf(seen), expected));
  }
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

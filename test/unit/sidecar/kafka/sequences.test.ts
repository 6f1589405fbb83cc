import assert from 'node:assert/strict';
import { Sequences } from '../../../../sidecar/kafka/sequences.ts';

describe('sequence numbers', () => {
  const place = { topic: 'LFH_SYNC', partition: 0 };

  it('go on in each partition by itself', () => {
    const sequences = new Sequences();
    assert.equal(sequences.take(place, 5), 0);
    assert.equal(sequences.take({ ...place, partition: 1 }, 2), 0);
    assert.equal(sequences.take({ ...place, topic: 'DICOM' }, 2), 0);
    assert.equal(sequences.take(place, 1), 5);
    assert.equal(sequences.take(place, 1), 6);
  });

  it('go on at 0 behind 2^31 - 1, within a batch or between two', () => {
    const sequences = new Sequences();
    sequences.take(place, 2 ** 31 - 1);
    assert.equal(sequences.take(place, 1), 2 ** 31 - 1);
    assert.equal(sequences.take(place, 3), 0);
    sequences.take(place, 2 ** 31 - 5);
    assert.equal(sequences.take(place, 10), 2 ** 31 - 2);
    assert.equal(sequences.take(place, 1), 8);
  });
});

import assert from 'node:assert/strict';
import { decodePosition, encodePosition, type Position } from '../../../../sidecar/replay/position.ts';

const start: Position = { stream: 'EVENTS', identity: 'i', sequence: 10, time: 500, consumerSequence: 0, from: 0 };

describe('a position in Kafka', () => {
  it('is read back as it was written', () => {
    assert.deepEqual(decodePosition(encodePosition(start)), start);
  });

  it('is not read from a value that is not a position', () => {
    for (const value of [
      '',
      'null',
      '{}',
      '[]',
      JSON.stringify({ ...start, sequence: -1 }),
      JSON.stringify({ ...start, sequence: '5' }),
    ]) {
      assert.equal(decodePosition(value), undefined, value);
    }
  });
});

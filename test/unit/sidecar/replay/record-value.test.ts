import assert from 'node:assert/strict';
import fc from 'fast-check';
import { bytesOf, recordValue } from '../../../../sidecar/replay/record-value.ts';

describe('the value of a record', () => {
  it('is its pieces one behind another, a byte for each character of a text, and as long as they are', () => {
    const ascii = fc.string({ unit: 'binary-ascii' });
    fc.assert(
      fc.property(fc.array(fc.oneof(ascii, fc.uint8Array())), (pieces) => {
        const value = recordValue(...pieces);
        const whole = Buffer.concat(pieces.map((piece) => Buffer.from(piece)));
        assert.deepEqual(bytesOf(value), whole);
        assert.equal(value.length, whole.length);
      }),
    );
  });
});

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { decodeBase32, encodeBase32 } from '../../../../common/contract/base32.ts';

/** RFC 4648, section 10, without the padding. */
const VECTORS: readonly [bytes: string, text: string][] = [
  ['', ''],
  ['f', 'MY'],
  ['fo', 'MZXQ'],
  ['foo', 'MZXW6'],
  ['foob', 'MZXW6YQ'],
  ['fooba', 'MZXW6YTB'],
  ['foobar', 'MZXW6YTBOI'],
];

describe('base 32', () => {
  for (const [bytes, text] of VECTORS) {
    it(`writes ${JSON.stringify(bytes)} as ${JSON.stringify(text)}, and reads it back`, () => {
      assert.equal(encodeBase32(Buffer.from(bytes)), text);
      assert.equal(Buffer.from(decodeBase32(text)).toString(), bytes);
    });
  }

  it('reads back any bytes that it has written', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const text = encodeBase32(bytes);
        assert.match(text, /^[A-Z2-7]*$/);
        assert.equal(text.length, Math.ceil((bytes.length * 8) / 5));
        assert.deepEqual(decodeBase32(text), [...bytes]);
      }),
    );
  });
});

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { decodeBase64 } from '../../../../../sidecar/replay/scan/base64.ts';
import { base64Texts, RUNS, RUNS_TIMEOUT_MS } from './mutations.ts';

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

function same(text: string): void {
  const isBase64 = text.length % 4 === 0 && BASE64.test(text);
  const expected = isBase64 ? Buffer.concat([Buffer.from(text, 'base64'), Buffer.alloc(1)]) : undefined;
  assert.deepEqual(decodeBase64(text), expected, JSON.stringify(text));
}

describe('base64', () => {
  it('is decoded exactly where it is base64, and has a NUL behind it', function () {
    this.timeout(RUNS_TIMEOUT_MS);
    fc.assert(fc.property(base64Texts, same), RUNS);
  });

  it('is not decoded with anything else in it, and with whatever is in the last bits', () => {
    for (const text of [
      '',
      '=',
      '==',
      '====',
      'A===',
      'YQ==',
      'YR==',
      'YWI=',
      'YWJ=',
      'YQ',
      'YQ=',
      'YQ==YQ==',
      'YQ==YWJj',
    ])
      same(text);
    // Every character in every place of a text that is otherwise right, long enough for each part of Node's decoder.
    for (const length of [4, 68]) {
      for (let at = 0; at < length; at += 1) {
        for (let code = 0; code <= 0xff; code += 1) {
          const letters = 'YWJj'.repeat(length / 4);
          same(letters.slice(0, at) + String.fromCharCode(code) + letters.slice(at + 1));
        }
      }
    }
  });

  it('is decoded up to the size that a usual message can hold', () => {
    assert.equal(decodeBase64('AAAA'.repeat(256 * 1024))?.length, 768 * 1024 + 1);
    assert.equal(decodeBase64('AAAA'.repeat(256 * 1024 + 1)), undefined);
  });
});

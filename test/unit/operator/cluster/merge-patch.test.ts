import assert from 'node:assert/strict';
import { mergePatchRemoving } from '../../../../operator/cluster/merge-patch.ts';

describe('what is too much', () => {
  const rows: [found: unknown, wanted: unknown, expected: object | undefined][] = [
    [{}, {}, undefined],
    [undefined, { a: 1 }, undefined],
    [{ a: 1 }, { a: 2, b: 3 }, undefined],
    [{ a: 1, b: 2 }, { a: 1 }, { b: null }],
    [{ a: 1 }, { a: undefined }, { a: null }],
    [{ a: { b: 1, c: 2 } }, { a: { b: 1 } }, { a: { c: null } }],
    [{ a: { b: 1 } }, {}, { a: null }],
    [{ a: [{ b: 1, c: 2 }] }, { a: [{ b: 1 }] }, undefined],
  ];
  for (const [found, wanted, expected] of rows) {
    it(`of ${JSON.stringify(found)} where ${JSON.stringify(wanted)} is wanted`, () => {
      assert.deepEqual(mergePatchRemoving(found, wanted), expected);
    });
  }
});

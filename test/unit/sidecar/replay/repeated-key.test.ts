import assert from 'node:assert/strict';
import fc from 'fast-check';
import { hasRepeatedKey } from '../../../../sidecar/replay/repeated-key.ts';

describe('a repeated key of a JSON object', () => {
  const CASES: readonly [json: string, repeated: boolean][] = [
    ['{}', false],
    ['{"a": 1, "b": 2}', false],
    ['{"a": 1, "a": 2}', true],
    ['{"a": 1, "A": 2}', true],
    ['{"a": 1, "\\u0061": 2}', true],
    ['{"a": {"a": 1}, "b": [{"a": 1}, "a"]}', false],
    ['{"a": "b", "b": "a"}', false],
    ['{"a": "\\"", "b": ",\\"a\\": 1", "c": "\\\\"}', false],
    ['{"a": "\\\\", "a": 1}', true],
    ['{"a": {"x": "}"}, "a": 1}', true],
  ];
  for (const [json, repeated] of CASES) {
    it(`${repeated ? 'is found' : 'is not seen'} in ${json}`, () => assert.equal(hasRepeatedKey(json), repeated));
  }

  it('is never seen in what JSON.stringify writes, unless two keys differ only in case', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (object) => {
        const folded = Object.keys(object).map((key) => key.toLowerCase());
        assert.equal(hasRepeatedKey(JSON.stringify(object)), new Set(folded).size < folded.length);
      }),
      { numRuns: 2_000 },
    );
  });

  it('is always found when one more field with a key of the object is added at its end', () => {
    const objects = fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1, noNullPrototype: true });
    fc.assert(
      fc.property(objects, fc.jsonValue(), fc.nat(), (object, value, nth) => {
        const keys = Object.keys(object);
        const key = JSON.stringify(keys[nth % keys.length]);
        assert.ok(hasRepeatedKey(`${JSON.stringify(object).slice(0, -1)}, ${key}: ${JSON.stringify(value)}}`));
      }),
      { numRuns: 2_000 },
    );
  });
});

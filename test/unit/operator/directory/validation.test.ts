import assert from 'node:assert/strict';
import { readDefinitions, walk } from '../../../../crds/read.ts';
import { holdsRule, isTransition } from '../../../../operator/directory/cel.ts';
import { lineDiff } from '../../../../operator/directory/diff.ts';
import { isQuantity, Quantity } from '../../../../operator/directory/quantity.ts';

/** What a rule of ours may use of CEL, and of what Kubernetes adds to it. A new one has to be tried on a real API server first. */
const KNOWN = new Set(
  'has size matches all exists filter contains startsWith bytes isQuantity quantity isLessThan isGreaterThan compareTo'.split(
    ' ',
  ),
);

describe('the rules of the CRDs in a directory', () => {
  it('can all be read, and use only functions that are the same here as on an API server', () => {
    let rules = 0;
    for (const { schema } of readDefinitions()) {
      walk(schema, (path, { 'x-kubernetes-validations': validations = [] }) => {
        for (const { rule } of validations) {
          rules += 1;
          const called = [...rule.replaceAll(/r?'[^']*'/g, "''").matchAll(/\b([A-Za-z]+)\(/g)].map(
            ([, name = '']) => name,
          );
          assert.deepEqual(
            called.filter((name) => !KNOWN.has(name)),
            [],
            `${path}: ${rule}`,
          );
          try {
            holdsRule(rule, {}, {});
          } catch (error) {
            // A field that is missing is an error, as in CEL; a rule that cannot be read is another.
            assert.match((error as Error).name, /EvaluationError/, `${path}: ${rule}: ${String(error)}`);
          }
        }
      });
    }
    assert.ok(rules > 40, String(rules));
  });

  it('know Unicode classes in patterns', () => {
    const rule = String.raw`self.matches(r'^[^\p{Cc}]+$')`;
    assert.deepEqual(
      ['pCc {}', 'a\nb', ''].map((text) => holdsRule(rule, text)),
      [true, false, false],
    );
  });

  it('compare with what was only where they ask for it', () => {
    assert.ok(isTransition('self.a == oldSelf.a') && !isTransition("self.a == 'old Self'"));
  });
});

describe('a quantity', () => {
  it('is compared by its value, whatever its suffix', () => {
    const isLess = (a: string, b: string): boolean => new Quantity(a).isLessThan(new Quantity(b));
    const pairs: [string, string][] = [
      ['100m', '1'],
      ['1000Ki', '1Mi'],
      ['1M', '1Mi'],
      ['-1', '0'],
      ['1e2', '0.2k'],
      ['.5', '1.'],
    ];
    for (const [a, b] of pairs) assert.ok(isLess(a, b) && !isLess(b, a), `${a} < ${b}`);
    assert.ok(!isLess('1000m', '1') && !isLess('1', '1000m'));
  });

  it('is nothing else', () => {
    assert.deepEqual(['1', '0.5Gi', '1e9', 'one', '1 Gi', '1mi', ''].filter(isQuantity), ['1', '0.5Gi', '1e9']);
  });
});

describe('a difference of two texts', () => {
  it('is shown line by line, with what is around it and no more', () => {
    assert.deepEqual(lineDiff('a\nb\nc\nd\ne\nf', 'a\nb\nc\nd\nE\nf'), ['  c', '  d', '- e', '+ E', '  f']);
    assert.deepEqual(lineDiff('a', 'a'), []);
  });
});

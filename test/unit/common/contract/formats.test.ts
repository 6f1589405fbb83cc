import assert from 'node:assert/strict';
import fc from 'fast-check';
import { formatMatcher } from '../../../../common/contract/formats.ts';

describe('patterns of formats', () => {
  const CASES: readonly [pattern: string, format: string, matches: boolean][] = [
    ['FHIR-R4', 'FHIR-R4', true],
    ['FHIR-R4', 'FHIR-R4B', false],
    ['FHIR*', 'FHIR', true],
    ['FHIR*', 'XFHIR', false],
    ['*R4', 'FHIR-R4', true],
    ['*R4', 'R', false],
    ['*', '', true],
    ['**', 'X12', true],
    ['A*A', 'A', false],
    ['A*A', 'AA', true],
    ['A*B*C', 'AxBxC', true],
    ['A*B*C', 'AxCxB', false],
    ['A*BC*C', 'ABC', false],
    ['A.C', 'ABC', false],
  ];
  for (const [pattern, format, matches] of CASES) {
    it(`${pattern} ${matches ? 'takes' : 'does not take'} ${JSON.stringify(format)}`, () => {
      assert.equal(formatMatcher([pattern])(format), matches);
    });
  }

  it('match what any of them matches, and match nothing when there are none', () => {
    const matcher = formatMatcher(['X12*', 'HL7*']);
    assert.deepEqual(['X12', 'HL7-V2', 'FHIR'].map(matcher), [true, true, false]);
    assert.equal(formatMatcher([])(''), false);
  });

  it('match what a regular expression with .* for each star matches', () => {
    const text = (letters: readonly string[]): fc.Arbitrary<string> =>
      fc.array(fc.constantFrom(...letters), { maxLength: 8 }).map((each) => each.join(''));
    fc.assert(
      fc.property(text(['A', 'B', '*']), text(['A', 'B']), (pattern, format) => {
        const expected = new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(format);
        assert.equal(formatMatcher([pattern])(format), expected);
      }),
      { numRuns: 2_000 },
    );
  });

  it('are answered at once, however many stars divide a text among them', () => {
    const hostile = formatMatcher([`${'*A'.repeat(120)}b`]);
    const started = performance.now();
    assert.equal(hostile('A'.repeat(249)), false);
    assert.ok(performance.now() - started < 1_000);
  });
});

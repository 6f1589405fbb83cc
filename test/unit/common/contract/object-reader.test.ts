import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  MAX_DEPTH,
  MAX_FIELDS,
  MAX_NAME,
  type ReadObject,
  readObject,
} from '../../../../common/contract/object-reader.ts';
import { allAtOnce } from '../../sidecar/replay/messages.ts';

function read(text: string, wanted: readonly string[] = [], refuseRepeated = false, atOnce = 7): ReadObject {
  return allAtOnce(readObject(text, new Set(wanted), { refuseRepeated, atOnce }));
}

/** What JSON.parse makes of it. Only texts and nulls are told apart from everything else. */
function parsed(text: string, wanted: readonly string[]): ReadObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { kind: 'not-json' };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { kind: 'not-an-object' };
  const found = Object.entries(value).filter(([name]) => wanted.includes(name));
  return { kind: 'object', fields: Object.fromEntries(found.map(([name, each]) => [name, simple(each)])) };
}

function simple(value: unknown): unknown {
  return typeof value === 'string' || value === null ? value : typeof value === 'object' ? {} : 0;
}

function same(text: string, wanted: readonly string[], atOnce: number): void {
  const found = read(text, wanted, false, atOnce);
  const plain = found.kind === 'object' ? { ...found, fields: { ...found.fields } } : found;
  assert.deepEqual(plain, parsed(text, wanted));
}

describe('an object that is read in pieces', () => {
  const keys = fc.oneof(fc.constantFrom('a', 'b', 'resourceType', '__proto__', 'constructor', 'é"\\'), fc.string());
  const objects = fc.dictionary(keys, fc.jsonValue(), { noNullPrototype: true });
  const values = fc.oneof(objects, fc.jsonValue());
  const pieces = fc.integer({ min: 1, max: 40 });
  /** What JSON is made of, and what is nearly that. */
  const parts = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '\\',
    '\\u00',
    '\\u0061',
    '\\n',
    '\\x',
    '"a"',
    '"a":',
    ' ',
    '\n',
    '\r',
    '\t',
    '\v',
    '1',
    '-',
    '-0',
    '01',
    '.5',
    '1.',
    '1e',
    '1e5',
    '1E+5',
    'true',
    'false',
    'null',
    'nul',
    'NaN',
    '\u0000',
    '\u001f',
    '\u2028',
  );

  it('holds what JSON.parse finds in it', () => {
    fc.assert(
      fc.property(values, fc.constantFrom(undefined, 1), pieces, (value, indent, atOnce) => {
        same(JSON.stringify(value, undefined, indent), ['a', 'resourceType', 'constructor', 'é"\\'], atOnce);
      }),
      { numRuns: 2_000 },
    );
  });

  it('is refused where JSON.parse refuses it, whatever was done to it', () => {
    fc.assert(
      fc.property(
        values,
        fc.nat(),
        fc.nat(3),
        fc.array(parts, { maxLength: 3 }),
        pieces,
        (value, at, cut, added, atOnce) => {
          const text = JSON.stringify(value);
          const place = at % (text.length + 1);
          same(text.slice(0, place) + added.join('') + text.slice(place + cut), ['a', 'b'], atOnce);
        },
      ),
      { numRuns: 5_000 },
    );
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 12 }), pieces, (text, atOnce) => same(text.join(''), ['a'], atOnce)),
      { numRuns: 20_000 },
    );
  });

  it('has the last of two equal fields, as for JSON.parse, unless they are refused', () => {
    assert.deepEqual(
      { ...read('{"a": "x", "a": "y"}', ['a']) },
      { kind: 'object', fields: Object.assign(Object.create(null), { a: 'y' }) },
    );
    assert.equal(read('{"a": "x", "a": "y"}', ['a'], true).kind, 'repeated');
  });

  const REPEATED: readonly (readonly [json: string, repeated: boolean])[] = [
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
  for (const [json, repeated] of REPEATED) {
    it(`${repeated ? 'has a field twice' : 'has no field twice'}: ${json}`, () => {
      assert.equal(read(json, [], true).kind, repeated ? 'repeated' : 'object');
    });
  }

  it('never has a field twice in what JSON.stringify writes, unless two names differ only in case', () => {
    fc.assert(
      fc.property(objects, (object) => {
        const folded = Object.keys(object).map((key) => key.toLowerCase());
        const expected = new Set(folded).size < folded.length ? 'repeated' : 'object';
        assert.equal(read(JSON.stringify(object), [], true).kind, expected);
      }),
      { numRuns: 2_000 },
    );
  });

  it('is always refused when one more field with a name of its own is added at its end', () => {
    const some = fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1, noNullPrototype: true });
    fc.assert(
      fc.property(some, fc.jsonValue(), fc.nat(), (object, value, nth) => {
        const names = Object.keys(object);
        const name = JSON.stringify(names[nth % names.length]);
        const text = `${JSON.stringify(object).slice(0, -1)}, ${name}: ${JSON.stringify(value)}}`;
        assert.equal(read(text, [], true).kind, 'repeated');
      }),
      { numRuns: 2_000 },
    );
  });

  it('may nest as deep as Python reads and writes, and not deeper', () => {
    const nested = (levels: number): string => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
    assert.equal(read(nested(MAX_DEPTH)).kind, 'object');
    assert.equal(read(nested(MAX_DEPTH + 1)).kind, 'too-deep');
    assert.equal(read('['.repeat(1_000_000)).kind, 'too-deep');
  });

  it('may have a thousand fields with names of 256 characters, and not more, where names are remembered', () => {
    const withFields = (count: number, length: number): string =>
      `{${Array.from({ length: count }, (_, nth) => `"${String(nth).padStart(length, 'x')}": 1`).join(',')}}`;
    const atOnce = 1_000_000;
    assert.equal(read(withFields(MAX_FIELDS, MAX_NAME), [], true, atOnce).kind, 'object');
    assert.equal(read(withFields(MAX_FIELDS + 1, MAX_NAME), [], true, atOnce).kind, 'too-many-fields');
    assert.equal(read(withFields(1, MAX_NAME + 1), [], true, atOnce).kind, 'too-many-fields');
    assert.equal(read(withFields(1, MAX_NAME * 10), [], true, atOnce).kind, 'too-many-fields');
    assert.equal(read(withFields(MAX_FIELDS * 2, MAX_NAME * 10), [], false, atOnce).kind, 'object');
  });
});

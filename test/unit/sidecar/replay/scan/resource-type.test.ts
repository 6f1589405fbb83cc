import assert from 'node:assert/strict';
import { isUtf8 } from 'node:buffer';
import fc from 'fast-check';
import { findContentProblem } from '../../../../../common/contract/formats.ts';
import { findResourceType } from '../../../../../sidecar/replay/scan/resource-type.ts';
import { isUsualContent } from '../../../../../sidecar/replay/scan/usual-content.ts';
import { allAtOnce } from '../messages.ts';
import { contents, formats, RUNS, RUNS_TIMEOUT_MS } from './mutations.ts';

function withNul(content: Uint8Array | string): Buffer {
  return Buffer.concat([Buffer.from(content as string), Buffer.alloc(1)]);
}

/** The type as it is found; undefined where the text is not usual. */
function typeIn(content: Uint8Array | string): string | undefined {
  const text = withNul(content);
  const place = findResourceType(text);
  return place && text.toString('utf8', place.start, place.end);
}

/** The type for JSON.parse; undefined where it finds no resource. */
function parsedType(content: Buffer): unknown {
  try {
    const value = JSON.parse(content.toString('utf8')) as unknown;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return (value as { resourceType?: unknown }).resourceType;
  } catch {
    return undefined;
  }
}

describe('the type of a resource', () => {
  it('is what JSON.parse finds, where it is found at all', function () {
    this.timeout(RUNS_TIMEOUT_MS);
    let found = 0;
    fc.assert(
      fc.property(contents.filter(isUtf8), (content) => {
        const [type, parsed] = [typeIn(content), parsedType(content)];
        if (type !== undefined) {
          found += 1;
          assert.equal(type, parsed);
        }
        // What is not found is either no resource, or has an escape somewhere: all other resources are usual.
        else if (typeof parsed === 'string') assert.ok(content.includes('\\'), content.toString());
      }),
      RUNS,
    );
    assert.ok(found > RUNS.numRuns / 10, String(found));
  });

  it('is found only where the content is one that its format names', function () {
    this.timeout(RUNS_TIMEOUT_MS);
    fc.assert(
      fc.property(contents, formats, (content, format) => {
        const isUsual = isUsualContent(format, withNul(content));
        if (isUsual) assert.equal(allAtOnce(findContentProblem(format, content.toString('base64'))), undefined);
      }),
      RUNS,
    );
  });

  const found: Record<string, [text: string, type: string]> = {
    'first, last or between others': ['{"a": 1, "resourceType": "Patient", "b": [{}]}', 'Patient'],
    'behind one that is a number': ['{"resourceType": 5, "resourceType": "Group"}', 'Group'],
    'the last of two': ['{"resourceType": "Patient", "resourceType": "Group"}', 'Group'],
    'within white space': [' \n{\t"resourceType"\r:  "Patient" } ', 'Patient'],
    'beside escapes, numbers and words': [
      '{"resourceType": "X", "a": "\\"\\\\\\/\\b\\f\\n\\r\\t\\u00eF", "b": [-0, 0.5, 1E5, 1e+5, -1.25e-7], "c": [true, false, null]}',
      'X',
    ],
    'beside characters beyond ASCII': ['{"é": "😀", "resourceType": "Zoë"}', 'Zoë'],
    empty: ['{"resourceType": ""}', ''],
  };
  for (const [name, [text, type]] of Object.entries(found)) {
    it(`is found ${name}`, () => assert.equal(typeIn(text), type));
  }

  const notFound: Record<string, string> = {
    'in an empty text': '',
    'in an object without it': '{}',
    'in a list': '[{"resourceType": "X"}]',
    'in a field': '{"a": {"resourceType": "X"}}',
    'with an escape in it': '{"resourceType": "\\u0058"}',
    'with an escape in its name': '{"resourceTyp\\u0065": "X"}',
    'where it is a number': '{"resourceType": 5}',
    'where the last of two is none': '{"resourceType": "X", "resourceType": null}',
    'behind a byte order mark': '\ufeff{"resourceType": "X"}',
    'before a NUL': '{"resourceType": "X"}\0',
    'with a NUL in it': '{"resourceType": "X\0"}',
    'before something else': '{"resourceType": "X"}{}',
    'without its end': '{"resourceType": "X"',
    'with a comma at the end': '{"resourceType": "X",}',
    'with a comma at the beginning': '{,"resourceType": "X"}',
    'with a comma at the end of a list': '{"resourceType": "X", "a": [1,]}',
    'without a comma': '{"resourceType": "X" "a": 1}',
    'with another bracket at the end': '{"resourceType": "X", "a": [1}}',
    'with a number that has a zero before it': '{"resourceType": "X", "a": 01}',
    'with a number that ends too early': '{"resourceType": "X", "a": 1.}',
    'with an exponent that ends too early': '{"resourceType": "X", "a": 1e+}',
    'with a minus and no number': '{"resourceType": "X", "a": -}',
    'with an unknown escape': '{"resourceType": "X", "a": "\\x"}',
    'with something else than a colon': '{"resourceType": "X", "a": {"b"; 1}}',
    'with another white space': '{"resourceType": "X",\v"a": 1}',
    'with an escape that is no number': '{"resourceType": "X", "a": "\\u00eg"}',
    'with an escape that ends too early': '{"resourceType": "X", "a": "\\u00e"}',
    'with a line end in a string': '{"resourceType": "X", "a": "\n"}',
  };
  for (const [name, text] of Object.entries(notFound)) {
    it(`is not found ${name}`, () => assert.equal(typeIn(text), undefined));
  }

  it('is found down to 64 levels, and no deeper', () => {
    const levels = (count: number) => `{"resourceType": "X", "a": ${'['.repeat(count - 1)}${']'.repeat(count - 1)}}`;
    assert.equal(typeIn(levels(64)), 'X');
    assert.equal(typeIn(levels(65)), undefined);
    assert.equal(typeIn(levels(200_000)), undefined);
  });
});

import fc from 'fast-check';
import { otherVersions, realIntake } from '../../../../kit/golden/messages.ts';
import { connectMessage } from '../../../../kit/sites/connect-message.ts';
import { PATIENT } from '../messages.ts';

/**
 * Messages that are nearly as connect writes them, to find where a scanner and the reader behind it disagree. The same ones are
 * tried in each run of the tests; CONTRIBUTING.md says how to try others.
 */
export const RUNS = {
  numRuns: Number(process.env.LFH_SYNC_FUZZ_RUNS ?? 10_000),
  seed: Number(process.env.LFH_SYNC_FUZZ_SEED ?? 20_261_128),
};
/** A million take minutes, and more on a machine that does other things as well. */
export const RUNS_TIMEOUT_MS = 60_000 + RUNS.numRuns * 10;

type Fields = readonly (readonly [name: string, json: string])[];

/** What is special in JSON, in base64, in a text of ASCII or in one of our scanners. */
const CHARACTERS = Array.from(`{}[],:"\\ \n\r\t\v+-_=/.0189aAeEZ\0\u001f\u007f\u0080éŁ\u2028\ufeff😀`);
/** What JSON is made of, and what is nearly that. */
const JSON_PARTS = String.raw`\u00|\u0061|\n|\x|\"|\ud800|"a"|"a": 1, |-0|01|.5|1.|1e|1e5|1E+5|1e-07|true|false|null|nul|NaN|[[[[|]]]]|{"a":{"a":`;
const FIELD_PARTS = String.raw`"resourceType": "Patient", |"resourceType": 5, |"resourceTyp\u0065": "x", |"RESOURCETYPE": "x", |"lfh_id": "hospital-b", |"LFH_ID": "x", |, "data": "QUJD"|, "x": {"y": []}`;
const BASE64_PARTS = '==|YR==|YWI=';
const PARTS = [...CHARACTERS, ...[JSON_PARTS, FIELD_PARTS, BASE64_PARTS].flatMap((parts) => parts.split('|'))].map(
  (each) => Buffer.from(each),
);
const STRAY_BYTES = [0x80, 0xbf, 0xc0, 0xc3, 0xe2, 0xed, 0xf0, 0xff].map((byte) => Buffer.of(byte));

const part = fc.constantFrom(...PARTS, ...STRAY_BYTES);

/** Cuts some bytes out at a random place, and puts others there. */
const edit = fc.record({ at: fc.nat(), cut: fc.nat({ max: 4 }), added: fc.array(part, { maxLength: 2 }) });
/** Most mutants have one or two edits: with more, none would come through the first check. */
const edits = fc.array(edit, { minLength: 1, maxLength: 2 });

function edited(bytes: Buffer, all: readonly { at: number; cut: number; added: readonly Buffer[] }[]): Buffer {
  return all.reduce((before, { at, cut, added }) => {
    const place = at % (before.length + 1);
    return Buffer.concat([before.subarray(0, place), ...added, before.subarray(place + cut)]);
  }, bytes);
}

const CONTENTS = [
  JSON.stringify(PATIENT),
  '{"resourceType": "Patient"}',
  '{"id": "1", "resourceType": "Patient", "x": [1, -2.5e+3, true, null, {"y": "\\u00e9\\n"}], "z": {}}',
  ' {\n"resourceType" : "Observation" ,\t"é": ["😀"]}\r\n',
  '{"resourceType": "Patient", "resourceType": "Observation"}',
  `{"resourceType": "Patient", "x": ${'['.repeat(50)}${']'.repeat(50)}}`,
  'MSH|^~\\&|A|B\r',
  '\x1cst*270~',
  'ISA*00*          *00*~',
  'ST',
  '',
].map((text) => Buffer.from(text));

/** Contents, most of them nearly right. */
export const contents = fc.oneof(
  fc.constantFrom(...CONTENTS),
  fc.tuple(fc.constantFrom(...CONTENTS), edits).map(([bytes, all]) => edited(bytes, all)),
  fc.array(part, { maxLength: 12 }).map((parts) => Buffer.concat(parts)),
  fc.jsonValue().map((value) => Buffer.from(JSON.stringify(value))),
);

/** Texts that are base64, or nearly. Their characters are at most U+00FF. */
export const base64Texts = fc.oneof(
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('base64')),
  fc
    .tuple(fc.uint8Array({ maxLength: 40 }), edits)
    .map(([bytes, all]) => edited(Buffer.from(Buffer.from(bytes).toString('base64')), all).toString('latin1')),
  fc
    .array(fc.constantFrom(...'ABab09+/=-_ \n\u0080\u00c1\u00ff\0'.split('')), { maxLength: 12 })
    .map((each) => each.join('')),
);

export const formats = fc.constantFrom(
  'FHIR-R4',
  'FHIR-R4_PATIENT',
  'fhir-r4_patiént',
  'FHIR',
  'FHIRX',
  'X12-5010',
  'X12_270',
  'HL7-V2',
  'DICOM',
  'OTHER',
  'LFH_SYNC',
  'a/b',
);

const FIELD_VALUES = fc.oneof(
  fc.constantFrom(
    'null',
    '5',
    '-0.25',
    '1e-07',
    '01',
    'true',
    '[]',
    '{}',
    '""',
    '"text"',
    '"\\u0041"',
    '"é"',
    '["a", "b"]',
  ),
  fc.constantFrom('{"a": "b", "c": null}', '{"a": {"b": 1}}', '"a\\"b"', '"\u007f"', '[1]', '"hospital-b"', '"other"'),
  fc.jsonValue().map((value) => JSON.stringify(value)),
);

function connectFields(content: Buffer, format: string): Fields {
  const { payload } = connectMessage({ lfhId: 'hospital-a', content, format });
  return Object.entries(JSON.parse(payload.toString()) as Record<string, unknown>).map(([name, value]) => [
    name,
    JSON.stringify(value).replaceAll(/(?<=[:,])"/g, ' "'),
  ]);
}

type FieldChange = (fields: Fields) => Fields;

/** What is done to one field: another value, none, twice, another place or another name. */
const fieldChange: fc.Arbitrary<FieldChange> = fc
  .tuple(fc.nat(16), FIELD_VALUES, fc.constantFrom('value', 'value', 'drop', 'double', 'last', 'case'))
  .map(([nth, value, what]) => (fields) => {
    const field = fields[nth % fields.length] as readonly [string, string];
    const without = fields.filter((each) => each !== field);
    const [name, json] = field;
    if (what === 'drop') return without;
    if (what === 'double') return [...fields, [name, value]];
    if (what === 'last') return [...without, field];
    const changed = what === 'case' ? ([name.toUpperCase(), json] as const) : ([name, value] as const);
    return fields.map((each) => (each === field ? changed : each));
  });

function written(fields: Fields): Buffer {
  return Buffer.from(`{${fields.map(([name, json]) => `"${name}": ${json}`).join(', ')}}`);
}

/** Messages of connect, most of them with something changed: in their content, their base64, a field or some bytes. */
export const messages = fc.oneof(
  fc.tuple(contents, formats).map(([content, format]) => written(connectFields(content, format))),
  fc
    .tuple(contents, formats, fc.array(fieldChange, { minLength: 1, maxLength: 2 }))
    .map(([content, format, changes]) =>
      written(changes.reduce((f, change) => change(f), connectFields(content, format))),
    ),
  fc
    .tuple(base64Texts, formats)
    .map(([data, format]) =>
      written(
        connectFields(Buffer.alloc(0), format).map(([name, json]) => [name, name === 'data' ? `"${data}"` : json]),
      ),
    ),
  fc
    .tuple(fc.constantFrom(...[...realIntake(), ...otherVersions()].filter(({ bytes }) => bytes.length < 4_000)), edits)
    .map(([{ bytes }, all]) => edited(bytes, all)),
);

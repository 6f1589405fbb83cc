import { isUtf8 } from 'node:buffer';
import { readObject } from './object-reader.ts';

/** `data_format` names both what `data` holds and the Kafka topic that it is stored in. A peer chooses it. */

const LEGAL_TOPIC = /^[A-Za-z0-9._-]{1,249}$/;
/**
 * Our own topics, connect's own, and those that Kafka and its tools keep for themselves (`__consumer_offsets`, `_schemas`).
 * A peer that could write there could forge positions or retries. Kafka takes no topic beside one that differs from it by `.` and `_`
 * alone. So a name that has a dot there is forbidden as well: its topic would keep one of these from ever being made.
 */
const FORBIDDEN_TOPIC = /^(?:lfh[._]|[._]|retransmit$)/i;

/** Whether Kafka accepts the name for a topic. */
export function isLegalTopic(name: string): boolean {
  return LEGAL_TOPIC.test(name) && name !== '.' && name !== '..';
}

/** Whether no peer may ever write there, whatever its `allowFormats` allow. */
export function isForbiddenTopic(name: string): boolean {
  // Names such as `constructor`: libraries keep topics as keys of plain objects, which already have such a key.
  return FORBIDDEN_TOPIC.test(name) || name in Object.prototype;
}

/** Makes a test of formats from patterns. `*` stands for any characters, and everything else for itself. */
export function formatMatcher(patterns: readonly string[]): (format: string) => boolean {
  const literals = patterns.map((pattern) => pattern.split('*'));
  return (format) => literals.some((parts) => matches(format, parts));
}

/**
 * Finds each part as far to the front as it goes, which is right because only stars are between the parts. This is not a
 * regular expression, because that would try every way in which many stars can divide a text among them, which takes minutes
 * for a pattern and a format that are made for it.
 */
function matches(format: string, [first = '', ...parts]: readonly string[]): boolean {
  const last = parts.pop();
  if (last === undefined) return format === first;
  if (!format.startsWith(first) || format.length < first.length + last.length || !format.endsWith(last)) return false;
  const end = format.length - last.length;
  let at = first.length;
  for (const part of parts) {
    const found = format.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}

/** Whether the format holds FHIR resources in JSON: today's `FHIR-R4`, and `FHIR-R4_PATIENT` of older nodes. */
export function isFhir(format: string): boolean {
  return /^FHIR(?:-|$)/i.test(format);
}

/** The resource that a format of older nodes names, in upper case; undefined where it names none. */
export function namedResource(format: string): string | undefined {
  return /^FHIR-[^_]*_(.+)$/i.exec(format)?.[1]?.toUpperCase();
}

/** So much of a content shows what it is, and so much base64 holds that. */
const BEGINNING_BYTES = 72;
const BEGINNING_BASE64 = 96;

/**
 * Checks that the decoded `data` is of the kind that its format names.
 *
 * It does not check the standard: connect validated the message when it took it in, and its versions disagree about what is
 * valid. In formats that we do not know (uploads: DICOM, images …) any bytes are accepted.
 *
 * It yields wherever it has worked for some milliseconds, since all peers share one thread.
 *
 * @param data base64
 * @returns what was expected, in words; undefined when the data is of that kind
 */
export function* findContentProblem(format: string, data: string): Generator<void, string | undefined> {
  if (isFhir(format)) return yield* findFhirProblem(format, Buffer.from(data, 'base64'));
  return findBeginningProblem(format, Buffer.from(data.slice(0, BEGINNING_BASE64), 'base64'));
}

/** As {@link findContentProblem}, for a format that does not hold FHIR, from the decoded `data` or its beginning. */
export function findBeginningProblem(format: string, content: Buffer): string | undefined {
  // `/x12` announces a bare transaction set, ST to SE, without the interchange around it; `/ingress` announces the interchange.
  if (/^X12(?:[-_]|$)/i.test(format)) {
    return startsWith(content, /^(?:ISA|ST[^A-Z0-9])/i)
      ? undefined
      : 'an X12 interchange (ISA…) or transaction set (ST…)';
  }
  if (/^HL7(?:-V2|V2|-2|$)/i.test(format)) {
    return startsWith(content, /^(?:MSH|FHS|BHS)/i) ? undefined : 'an HL7 v2 message (MSH…, FHS… or BHS…)';
  }
  return undefined;
}

const RESOURCE_TYPE: ReadonlySet<string> = new Set(['resourceType']);

function* findFhirProblem(format: string, content: Buffer): Generator<void, string | undefined> {
  const expected = 'a FHIR resource: a JSON object with a resourceType';
  if (!isUtf8(content)) return expected;
  const resource = yield* readObject(content.toString('utf8'), RESOURCE_TYPE, { refuseRepeated: false });
  if (resource.kind !== 'object') return expected;
  const { resourceType } = resource.fields;
  if (typeof resourceType !== 'string') return expected;
  const named = namedResource(format);
  return named === undefined || named === resourceType.toUpperCase() ? undefined : 'the resource that the format names';
}

/**
 * Whether the content begins so, after MLLP's start byte and white space. connect's own recognition strips what Python calls
 * white space, which includes the separators U+001C to U+001F, and ignores the case.
 */
function startsWith(content: Buffer, beginning: RegExp): boolean {
  const start = content.subarray(0, BEGINNING_BYTES - 8).findIndex((byte) => byte > 0x20);
  return start >= 0 && beginning.test(content.toString('latin1', start, start + 8));
}

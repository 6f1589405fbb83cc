/** What connect 0.42 makes of a request, as its own runs show it (test/kit/golden, docs/upstream.md). */

export interface IntakeRequest {
  readonly path: string;
  /** Names and values in turn, as they were sent. */
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
}

/** One message that is taken in. */
export interface Intake {
  readonly url: string;
  readonly format: string;
  /** A resource, a text or bytes. */
  readonly content: unknown;
  /** Absent: POST. */
  readonly operation?: string;
  /** `transmission_attributes`: of FHIR the headers of the request, of all else nothing. */
  readonly attributes: Readonly<Record<string, string>> | null;
}

/** The request is answered with `status`. */
export class Refused extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const SCRUBBED = /^authorization$|password|pwd|token/i;
/** Where an interchange says what separates its segments; before that its ISA has a fixed length. */
const TERMINATOR_AT = 105;

/**
 * Reads a request to one of connect's four routes. Resources and transaction sets are not validated.
 *
 * @throws Refused as connect answers
 */
export async function intakesOf(request: IntakeRequest): Promise<readonly Intake[]> {
  const { path, body } = request;
  if (/^\/fhir\/\w+$/.test(path)) return [fhirIntake(request)];
  const noHeaders = { url: path, attributes: null };
  if (path === '/x12') {
    const sets = transactionSets(fieldOf(body, 'x12'));
    return sets.map((content) => ({ ...noHeaders, content, format: 'X12-5010' }));
  }
  if (path === '/ingress') {
    const content = fieldOf(body, 'data');
    return [{ ...noHeaders, content, format: formatOfText(content) }];
  }
  if (path === '/ingress/upload') {
    const content = await uploaded(request);
    return [{ ...noHeaders, content, format: formatOfBytes(content) }];
  }
  throw new Refused(404, 'Not Found');
}

function fhirIntake({ path, rawHeaders, body }: IntakeRequest): Intake {
  const content = jsonObject(body);
  const type = path.slice('/fhir/'.length);
  if (content.resourceType !== type) {
    throw new Refused(422, `resource type ${String(content.resourceType)} in request does not match url /${type}`);
  }
  const headers = headersOf(rawHeaders);
  const attributes = Object.fromEntries(Object.entries(headers).filter(([name]) => !SCRUBBED.test(name)));
  return { url: path, format: 'FHIR-R4', content, attributes };
}

/**
 * The transaction sets of an interchange, as connect's X12 library writes them: each without its envelope, a segment a line, with
 * the usual delimiters, and without empty elements at the end of a segment.
 */
function transactionSets(interchange: string): string[] {
  const [element, terminator] = [interchange[3], interchange[TERMINATOR_AT]];
  if (!interchange.startsWith('ISA') || !element || !terminator) throw new Refused(500, 'Invalid x12_input');
  const segments = interchange
    .replaceAll('\n', '')
    .split(terminator)
    .map((segment) => segment.split(element).join('*').replace(/\*+$/, ''));
  const sets: string[][] = [];
  let open: string[] | undefined;
  for (const segment of segments) {
    if (segment.startsWith('ST*')) sets.push((open = []));
    open?.push(`${segment}~`);
    if (segment.startsWith('SE*')) open = undefined;
  }
  return sets.map((set) => set.join('\n'));
}

/** The format's name, as connect's library `edi` finds it: from what a text begins with, and from its version. */
function formatOfText(text: string): string {
  const start = text.trimStart();
  if (/^[{[]/.test(start)) {
    if (jsonObject(Buffer.from(text)).resourceType !== undefined) return 'FHIR-R4';
  } else if (/^MSH/i.test(start)) return `HL7-V${hl7Version(text)}`;
  else if (/^ISA/i.test(start)) return `X12-${x12Version(text)}`;
  throw new Refused(422, 'Unable to determine edi message format for input message');
}

/** The first character of MSH-12. Its place is counted from the text's beginning, also where a line end comes before MSH. */
function hl7Version(text: string): string {
  const [record = ''] = text.split('\r');
  const version = record.split(record[3] ?? '|')[11];
  if (!version) throw new Refused(500, 'list index out of range');
  return version[0] as string;
}

/** GS-08 up to its X. */
function x12Version(text: string): string {
  const [, group = ''] = text.replaceAll(/[\r\n]/g, '').split('~');
  const version = group.split(group[2] ?? '*')[8];
  if (!version) throw new Refused(500, 'list index out of range');
  return version.slice(0, version.indexOf('X'));
}

function formatOfBytes(bytes: Buffer): string {
  if (bytes.subarray(128, 132).toString('latin1') === 'DICM') return 'DICOM';
  throw new Refused(422, 'Unable to determine edi message format for input message');
}

async function uploaded({ rawHeaders, body }: IntakeRequest): Promise<Buffer> {
  const type = headersOf(rawHeaders)['content-type'] ?? '';
  const form = await new Response(new Uint8Array(body), { headers: { 'content-type': type } })
    .formData()
    .catch(() => undefined);
  const file = form?.get('file');
  if (!(file instanceof Blob)) throw new Refused(422, 'file: field required');
  return Buffer.from(await file.arrayBuffer());
}

function fieldOf(body: Buffer, name: string): string {
  const value = jsonObject(body)[name];
  if (typeof value !== 'string') throw new Refused(422, `${name}: field required`);
  return value;
}

function jsonObject(body: Buffer): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    throw new Refused(422, 'the body is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Refused(422, 'not a dict');
  return value as Record<string, unknown>;
}

/** Names in small letters; of two with the same name, the last. */
function headersOf(raw: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (let at = 0; at + 1 < raw.length; at += 2) headers[(raw[at] as string).toLowerCase()] = raw[at + 1] as string;
  return headers;
}

import { randomUUID } from 'node:crypto';

/** Messages as connect announces them on EVENTS.sync: its fields in its order, with Python's separators and escapes. */

export interface ConnectMessage {
  readonly uuid: string;
  readonly payload: Buffer;
}

export interface MessageOptions {
  readonly lfhId: string;
  /** What was taken in: a resource, a text or bytes. */
  readonly content: unknown;
  readonly format?: string;
  readonly url?: string;
  /** Any other fields, or the same ones differently; undefined leaves a field out. */
  readonly overrides?: Readonly<Record<string, unknown>>;
}

/** What connect would announce after it took `content` in. */
export function connectMessage(options: MessageOptions): ConnectMessage {
  const { lfhId, content, format = 'FHIR-R4', url = '/fhir/Patient', overrides } = options;
  const now = `${new Date().toISOString().slice(0, 19)}+00:00`;
  const uuid = randomUUID();
  const fields = {
    uuid,
    lfh_id: lfhId,
    operation: 'POST',
    creation_date: now,
    store_date: now,
    consuming_endpoint_url: url,
    data: bytesOf(content).toString('base64'),
    data_format: format,
    status: 'success',
    data_record_location: `${format}:0:0`,
    target_endpoint_urls: [],
    ipfs_uri: null,
    elapsed_storage_time: 0.012345,
    transmit_date: null,
    elapsed_transmit_time: null,
    elapsed_total_time: 0.023456,
    transmission_attributes: { host: 'localhost:5000', 'content-type': 'application/json' },
    ...overrides,
  };
  return { uuid, payload: Buffer.from(pythonJson(fields)) };
}

function bytesOf(content: unknown): Buffer {
  if (content instanceof Uint8Array) return Buffer.from(content);
  return Buffer.from(typeof content === 'string' ? content : pythonJson(content));
}

/** json.dumps with its defaults. */
function pythonJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(pythonJson).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(([, field]) => field !== undefined);
    return `{${entries.map(([name, field]) => `${pythonJson(name)}: ${pythonJson(field)}`).join(', ')}}`;
  }
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

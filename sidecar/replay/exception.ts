import { createHash } from 'node:crypto';

/** Reads the records back that `record.ts` writes to LFH_EXCEPTION. */

/** A committed record of LFH_EXCEPTION. Not only we write there. */
export interface ExceptionRecord {
  readonly partition: number;
  readonly offset: number;
  /** When it was written, in milliseconds since 1970. */
  readonly time: number;
  readonly headers: Readonly<Record<string, Buffer | undefined>>;
  readonly value: Buffer | null;
}

/** A message of a peer that was rejected. */
export interface Rejected {
  readonly partition: number;
  readonly offset: number;
  /** When it was rejected, in milliseconds since 1970. */
  readonly time: number;
  readonly reason: string;
  /** The peer's stream, and the message's sequence there. */
  readonly stream: string;
  readonly sequence: number;
  /** Of the whole message, in bytes. */
  readonly size: number;
  readonly content: Content;
}

/** What a record has of a message. `damaged`: nothing that could be read, since somebody else has written or changed it. */
export type Content =
  | { readonly kind: 'whole'; readonly payload: Buffer }
  | { readonly kind: 'cut'; readonly fingerprint: Fingerprint }
  | { readonly kind: 'damaged' };

/** The SHA-256 of the first bytes of a message. */
interface Fingerprint {
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * @param peer the name of the LfhSyncPeer
 * @returns undefined for a record that is not about a message of this peer: connect and the transmission write there as well
 */
export function readException(record: ExceptionRecord, peer: string): Rejected | undefined {
  const { partition, offset, time, headers } = record;
  const header = (name: string): string => headers[`lfh-sync-${name}`]?.toString('utf8') ?? '';
  if (header('peer') !== peer) return undefined;
  const sequence = Number(header('sequence'));
  const size = Number(header('size'));
  const reason = header('reason');
  if (!Number.isSafeInteger(sequence) || sequence < 1 || !Number.isSafeInteger(size) || reason === '') return undefined;
  const content = contentOf(record.value, header('encoding'), size, header('sha256'));
  return { partition, offset, time, reason, stream: header('stream'), sequence, size, content };
}

/** Whether a message of the peer's stream is the one that was cut. The stream may be another one by now. */
export function isSameMessage(payload: Uint8Array, size: number, { bytes, sha256 }: Fingerprint): boolean {
  return payload.length === size && sha256Of(payload.subarray(0, bytes)) === sha256;
}

function contentOf(value: Buffer | null, encoding: string, size: number, sha256: string): Content {
  const data = value === null ? undefined : dataOf(value, encoding);
  if (data === undefined) return { kind: 'damaged' };
  if (encoding !== 'base64-cut' && data.length === size) return { kind: 'whole', payload: data };
  // A message that was far too large came in part only, so that its hash was not known.
  if (sha256 !== '') return { kind: 'cut', fingerprint: { bytes: size, sha256 } };
  return { kind: 'cut', fingerprint: { bytes: data.length, sha256: sha256Of(data) } };
}

const BEFORE_BASE64 = Buffer.from('{"data": "');
const QUOTE = 0x22;

/** Base64 is found without a look at the rest: it has megabytes, and all peers share one thread. */
function dataOf(value: Buffer, encoding: string): Buffer | undefined {
  if (encoding === 'text') return textOf(value);
  if (encoding !== 'base64' && encoding !== 'base64-cut') return undefined;
  const start = BEFORE_BASE64.length;
  const end = value.indexOf(QUOTE, start);
  if (end < 0 || !value.subarray(0, start).equals(BEFORE_BASE64)) return undefined;
  return Buffer.from(value.toString('latin1', start, end), 'base64');
}

function textOf(value: Buffer): Buffer | undefined {
  try {
    const { data } = JSON.parse(value.toString('utf8')) as { readonly data?: unknown };
    return typeof data === 'string' ? Buffer.from(data, 'utf8') : undefined;
  } catch {
    return undefined;
  }
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

import { createHash } from 'node:crypto';
import type { LfhMessage } from '../../common/contract/message.ts';
import { EXCEPTION_TOPIC } from '../../common/contract/names.ts';
import type { Rejection } from './decide.ts';
import type { Delivered } from './delivered.ts';
import type { OutgoingRecord } from './outgoing-record.ts';
import { pythonObject, pythonString } from './python-json.ts';
import { type RecordValue, recordValue } from './record-value.ts';

/**
 * The values of the Kafka records: byte for byte what connect would write (docs/upstream.md), apart from the differences that
 * each function names.
 */

/** Kafka's own bytes around a value in a batch of one record: 61 for the batch, up to 36 for the record, and some to spare. */
export const RECORD_OVERHEAD_BYTES = 128;

/**
 * The record for the topic named by the message's format.
 *
 * Differs from connect's in two intended ways: the origin's `uuid` is kept, so that one message has one id on every
 * node; and `data` is the origin's base64 as it came, where connect decodes it and encodes it again.
 *
 * @param now milliseconds since 1970, for creation_date and store_date
 */
export function dataRecordValue(message: LfhMessage, now: number): RecordValue {
  const date = dateText(now);
  const beforeData =
    `{"uuid": ${pythonString(message.uuid)}, "lfh_id": ${pythonString(message.lfh_id)}, ` +
    `"operation": ${pythonString(message.operation)}, "creation_date": ${date}, "store_date": ${date}, ` +
    `"consuming_endpoint_url": ${pythonString(message.consuming_endpoint_url)}, "data": "`;
  const behindData = `", "data_format": ${pythonString(message.data_format)}, ${UNUSED_FIELDS}`;
  // Base64 has nothing to escape, and it is most of the record.
  return recordValue(beforeData, message.data, behindData);
}

const UNUSED_FIELDS = pythonObject([
  ['status', 'null'],
  ['data_record_location', 'null'],
  // connect's own default: it transmits to no FHIR server unless its settings name one, and neither do we yet.
  ['target_endpoint_urls', '[]'],
  ['ipfs_uri', 'null'],
  ['elapsed_storage_time', 'null'],
  ['transmit_date', 'null'],
  ['elapsed_transmit_time', 'null'],
  ['elapsed_total_time', 'null'],
  ['transmission_attributes', 'null'],
]).slice(1);

let newestDate = { second: Number.NaN, text: '' };

/** The date of a data record. It is made once a second, since thousands of records have the same. */
function dateText(now: number): string {
  const second = Math.floor(now / 1000);
  if (second !== newestDate.second) newestDate = { second, text: pythonString(`${isoSeconds(now)}+00:00`) };
  return newestDate.text;
}

/** Where a rejected message came from; this goes into the record's headers. */
export interface Source {
  /** The name of the LfhSyncPeer. */
  readonly peer: string;
  readonly stream: string;
  readonly identity: string | null;
  readonly sequence: number;
}

/**
 * The record in LFH_EXCEPTION for a message that is not replayed. It is cut where it does not fit; the whole message stays in the
 * peer's stream, under the sequence in the headers.
 *
 * @param now milliseconds since 1970
 * @param maxMessageBytes the largest record batch that LFH_EXCEPTION takes
 */
export function exceptionRecord(
  { payload, size }: Pick<Delivered, 'payload' | 'size'>,
  rejection: Rejection,
  source: Source,
  now: number,
  maxMessageBytes: number,
): OutgoingRecord {
  const headers = {
    'lfh-sync-peer': source.peer,
    'lfh-sync-stream': source.stream,
    'lfh-sync-sequence': String(source.sequence),
    'lfh-sync-reason': rejection.reason,
  };
  const identity = JSON.stringify([source.peer, source.stream, source.identity, source.sequence]);
  const error = { headers, message: `${rejection.reason}: ${rejection.detail}`, identity, location: null };
  return exceptionRecordOf({ payload, size }, error, now, maxMessageBytes);
}

/** What is said of a message in LFH_EXCEPTION. */
export interface MessageError {
  /** Without the size, the encoding and the hash, which are added. */
  readonly headers: Readonly<Record<string, string>>;
  readonly message: string;
  /** What the record's uuid is derived from: where the message is from. */
  readonly identity: string;
  /** `topic:partition:offset` of the message in our Kafka. */
  readonly location: string | null;
}

/**
 * A record in LFH_EXCEPTION.
 *
 * `data` is the message itself: as text when it is printable ASCII and short, else in base64. A message that does not fit into
 * the topic is cut; its size is in the headers, and so is its hash, unless it was too large to be kept.
 *
 * @param now milliseconds since 1970
 * @param maxMessageBytes the largest record batch that LFH_EXCEPTION takes
 */
export function exceptionRecordOf(
  { payload, size }: Pick<Delivered, 'payload' | 'size'>,
  error: MessageError,
  now: number,
  maxMessageBytes: number,
): OutgoingRecord {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const headers: Record<string, string> = { ...error.headers, 'lfh-sync-size': String(size) };
  const rest = pythonObject([
    ['error_msg', pythonString(error.message)],
    ['uuid', pythonString(exceptionUuid(error.identity))],
    ['error_date', pythonString(isoSeconds(now))],
    ['data_record_location', error.location === null ? 'null' : pythonString(error.location)],
  ]);
  const [beforeData, behindData] = ['{"data": ', `, ${rest.slice(1)}`];

  const headerBytes = Object.entries({ ...headers, encoding: '', hash: '' }).reduce(
    (sum, [name, text]) => sum + 4 * (name.length + text.length),
    512,
  );
  const room = maxMessageBytes - RECORD_OVERHEAD_BYTES - headerBytes - beforeData.length - behindData.length;
  const data = encodeWithin(bytes, room, size);
  if (data.cut && bytes.length === size) headers['lfh-sync-sha256'] = createHash('sha256').update(bytes).digest('hex');
  headers['lfh-sync-encoding'] = data.encoding;
  return { topic: EXCEPTION_TOPIC, value: recordValue(around(beforeData, data, behindData)), headers };
}

/** A long ASCII text. */
interface LongText {
  readonly pieces: Iterable<string>;
  readonly length: number;
}

/** The bytes of a long text between two others. A text of megabytes is never put into another: each copy costs more than its bytes. */
function around(before: string, { pieces, length }: LongText, behind: string): Buffer {
  const bytes = Buffer.allocUnsafe(before.length + length + behind.length);
  let at = bytes.write(before, 'latin1');
  for (const piece of pieces) at += bytes.write(piece, at, 'latin1');
  bytes.write(behind, at, 'latin1');
  return bytes;
}

/** A text is for a person to read, and nobody reads a longer one. */
const MAX_TEXT_BYTES = 65_536;
/** Python escapes everything else, which takes a thousand times as long as base64: other peers would notice. */
const UNPRINTABLE = /[^\t\n\r\x20-\x7e]/;

interface EncodedData extends LongText {
  readonly encoding: 'text' | 'base64' | 'base64-cut';
  readonly cut: boolean;
}

/** @param size of the whole message, of which `bytes` may be the beginning */
function encodeWithin(bytes: Buffer, room: number, size: number): EncodedData {
  const text = size <= Math.min(room, MAX_TEXT_BYTES) ? bytes.toString('latin1') : undefined;
  if (text !== undefined && !UNPRINTABLE.test(text)) {
    const json = pythonString(text);
    if (json.length <= room) return { pieces: [json], length: json.length, encoding: 'text', cut: false };
  }
  const fitting = Math.max(0, Math.floor((room - 2) / 4) * 3);
  const cut = size > fitting;
  return {
    pieces: quotedBase64(bytes.subarray(0, fitting)),
    length: 2 + Math.ceil(Math.min(bytes.length, fitting) / 3) * 4,
    encoding: cut ? 'base64-cut' : 'base64',
    cut,
  };
}

/** A multiple of three, so that the base64 of the pieces is that of the whole. */
const PIECE_BYTES = 48 * 1024;

function* quotedBase64(bytes: Buffer): Generator<string> {
  yield '"';
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.toString('base64', at, at + PIECE_BYTES);
  yield '"';
}

/**
 * Each error has an id of its own, as in connect. It is derived from where the message came from, so that this stays a pure
 * function, and an error that was written twice by mistake would show.
 */
function exceptionUuid(identity: string): string {
  const hash = createHash('sha256').update(identity).digest();
  hash[6] = ((hash[6] as number) & 0x0f) | 0x80;
  hash[8] = ((hash[8] as number) & 0x3f) | 0x80;
  const hex = hash.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}

/** Python's `datetime.isoformat()` without a zone: seconds, no fraction. */
export function isoSeconds(now: number): string {
  return new Date(now).toISOString().slice(0, 19);
}

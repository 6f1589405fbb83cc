import type { LfhMessage } from '../../../common/contract/message.ts';
import { decodeBase64 } from './base64.ts';

/** A message in the form in which connect writes it. */
export interface UsualMessage {
  /** The fields that we use, as they came: nothing is known of them but that they are plain ASCII and not empty. */
  readonly fields: Readonly<Record<keyof LfhMessage, string | undefined>>;
  /** What `data` holds, and a NUL behind it. It is overwritten when the next message is read. */
  readonly content: Buffer;
}

/** The characters of ASCII that stand for themselves in JSON. DEL does too, but no field that we use may hold it. */
const PLAIN = '[ !#-\\[\\]-~]';
const TEXT = `"${PLAIN}*(?:\\\\(?:["\\\\/bfnrt]|u[0-9A-Fa-f]{4})${PLAIN}*)*"`;
const TEXT_OR_NULL = `(?:${TEXT}|null)`;
const NUMBER_OR_NULL = '(?:-?(?:0|[1-9][0-9]*)(?:\\.[0-9]+)?(?:e[+-][0-9]+)?|null)';
const TEXTS_OR_NULL = `(?:\\[(?:${TEXT}(?:, ${TEXT})*)?\\]|null)`;
const ATTRIBUTES = `(?:\\{(?:${TEXT}: ${TEXT_OR_NULL}(?:, ${TEXT}: ${TEXT_OR_NULL})*)?\\}|${TEXT_OR_NULL})`;

/** A message up to its `data`. Nodes before June 2021 left `operation` out. */
const HEAD = new RegExp(
  `^\\{"uuid": "(${PLAIN}+)", "lfh_id": "(${PLAIN}+)", (?:"operation": "(${PLAIN}+)", )?"creation_date": ${TEXT}, ` +
    `"store_date": ${TEXT}, "consuming_endpoint_url": "(${PLAIN}+)", "data": "`,
);
/** A message from the quote behind its `data`. */
const TAIL = new RegExp(
  `^", "data_format": "(${PLAIN}+)", "status": ${TEXT_OR_NULL}, "data_record_location": ${TEXT_OR_NULL}, ` +
    `"target_endpoint_urls": ${TEXTS_OR_NULL}, "ipfs_uri": ${TEXT_OR_NULL}, "elapsed_storage_time": ${NUMBER_OR_NULL}, ` +
    `"transmit_date": ${TEXT_OR_NULL}, "elapsed_transmit_time": ${NUMBER_OR_NULL}, ` +
    `"elapsed_total_time": ${NUMBER_OR_NULL}, "transmission_attributes": ${ATTRIBUTES}\\}$`,
);
/** NATS's own limit for a message. So much is read in some milliseconds; what is larger is read in slices. */
const MOST_BYTES = 1024 * 1024;
/** Head and tail have a few hundred bytes. The bounds keep a peer from making us match a megabyte. */
const HEAD_BYTES = 1024;
const TAIL_BYTES = 8 * 1024;
const QUOTE = 0x22;

/**
 * Reads a message without building what is not used of it, where it is in the usual form: connect's fields in connect's order
 * and with connect's white space, texts that we use in plain ASCII, `data` in base64.
 *
 * `undefined` says that the message is another one, whether it is right or wrong. Its fields have to be read by `readObject`,
 * which also knows the words for what is wrong.
 */
export function readUsualMessage(payload: Buffer): UsualMessage | undefined {
  if (payload.length > MOST_BYTES) return undefined;
  const head = HEAD.exec(payload.toString('latin1', 0, HEAD_BYTES));
  if (head === null) return undefined;
  const [{ length: start }, uuid, lfh_id, operation, consuming_endpoint_url] = head;
  const end = payload.indexOf(QUOTE, start);
  if (end < 0 || payload.length - end > TAIL_BYTES) return undefined;
  const tail = TAIL.exec(payload.toString('latin1', end));
  if (tail === null) return undefined;
  const data = payload.toString('latin1', start, end);
  const content = decodeBase64(data);
  if (content === undefined) return undefined;
  const fields = { uuid, lfh_id, operation, consuming_endpoint_url, data, data_format: tail[1] };
  return { fields, content };
}

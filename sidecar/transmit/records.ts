import type { LfhMessage } from '../../common/contract/message.ts';
import { RETRANSMIT_TOPIC } from '../../common/contract/names.ts';
import type { TransmitFailureReason } from '../../common/contract/transmit-reasons.ts';
import type { OutgoingRecord, RecordLocation } from '../replay/outgoing-record.ts';
import { pythonObject, pythonString } from '../replay/python-json.ts';
import { exceptionRecordOf, isoSeconds } from '../replay/record.ts';
import { recordValue } from '../replay/record-value.ts';

/** The records that the transmission writes. */

const BASE64 = /^[A-Za-z0-9+/=]*$/;

/**
 * The record in RETRANSMIT for a resource that waits, in connect's own form (docs/upstream.md): the message with the status
 * `ERROR` and the one URL. It differs in the URL, which has no user and no password, and in `transmission_attributes`: those are
 * the headers of a request at the origin, and nothing of ours.
 *
 * @param source the record that was to be transmitted
 * @param target the URL that connect would have sent it to
 * @param now milliseconds since 1970
 */
export function retransmitRecord(
  message: LfhMessage,
  source: RecordLocation,
  target: string,
  now: number,
): OutgoingRecord {
  const date = isoSeconds(now);
  const fields = pythonObject([
    ['uuid', pythonString(message.uuid)],
    ['lfh_id', pythonString(message.lfh_id)],
    ['operation', pythonString(message.operation)],
    ['creation_date', pythonString(`${date}+00:00`)],
    ['store_date', pythonString(`${date}+00:00`)],
    ['consuming_endpoint_url', pythonString(message.consuming_endpoint_url)],
    // Base64 has nothing to escape, and it is most of the record.
    ['data', BASE64.test(message.data) ? `"${message.data}"` : pythonString(message.data)],
    ['data_format', pythonString(message.data_format)],
    ['status', '"ERROR"'],
    ['data_record_location', pythonString(placeOf(source))],
    ['target_endpoint_urls', `[${pythonString(target)}]`],
    ['ipfs_uri', 'null'],
    ['elapsed_storage_time', 'null'],
    ['transmit_date', pythonString(`${date.replace('T', ' ')}Z`)],
    ['elapsed_transmit_time', 'null'],
    ['elapsed_total_time', 'null'],
    ['transmission_attributes', 'null'],
  ]);
  return { topic: RETRANSMIT_TOPIC, value: recordValue(fields) };
}

/** Why a resource is not delivered. */
export interface Undelivered {
  readonly reason: TransmitFailureReason;
  /** The last status that the server answered with; null where it never answered. */
  readonly status: number | null;
  readonly detail: string;
}

/**
 * The record in LFH_EXCEPTION for a resource that is not delivered.
 *
 * @param value the record that was to be transmitted
 * @param server its URL
 * @param now milliseconds since 1970
 * @param maxMessageBytes the largest record batch that LFH_EXCEPTION takes
 */
export function undeliveredRecord(
  value: Buffer,
  source: RecordLocation,
  server: string,
  { reason, status, detail }: Undelivered,
  now: number,
  maxMessageBytes: number,
): OutgoingRecord {
  const location = placeOf(source);
  const headers = {
    'lfh-sync-reason': reason,
    'lfh-sync-server': server,
    'lfh-sync-status': status === null ? '' : String(status),
  };
  const message = `${reason}: ${server}: ${detail}`;
  const identity = JSON.stringify([server, location, reason]);
  return exceptionRecordOf(
    { payload: value, size: value.length },
    { headers, message, identity, location },
    now,
    maxMessageBytes,
  );
}

function placeOf({ topic, partition, offset }: RecordLocation): string {
  return `${topic}:${partition}:${offset}`;
}

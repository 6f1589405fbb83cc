import { isUtf8 } from 'node:buffer';
import { type LfhMessage, MESSAGE_FIELDS, readMessage } from '../../common/contract/message.ts';
import { readObject } from '../../common/contract/object-reader.ts';
import type { TransmitSkipReason } from '../../common/contract/transmit-reasons.ts';

/** A FHIR resource that a record of LFH_SYNC, or of RETRANSMIT, holds. */
export interface Resource {
  readonly message: LfhMessage;
  readonly type: string;
  /** undefined where it has none. */
  readonly id: string | undefined;
  /** `Patient/1`: what has the same key is transmitted in order. null: it has no id. */
  readonly key: string | null;
  /** The resource as it was taken in. */
  readonly bytes: Buffer;
}

export type Reading =
  | { readonly kind: 'skip'; readonly reason: TransmitSkipReason }
  | { readonly kind: 'unfit'; readonly detail: string }
  | { readonly kind: 'resource'; readonly resource: Resource };

/** Today's `FHIR-R4`, and `FHIR-R4_PATIENT` of older nodes, which is all that connect transmits on replay. */
const TRANSMITTED_FORMAT = /^FHIR-R4(?:_|$)/i;
/** What FHIR allows for the name of a type and for an id. Nothing else gets into a URL. */
const TYPE = /^[A-Z][A-Za-z]{0,63}$/;
const ID = /^(?!\.\.?$)[A-Za-z0-9.-]{1,64}$/;

const RESOURCE_FIELDS: ReadonlySet<string> = new Set(['resourceType', 'id']);

/**
 * Reads a record, of which nothing is trusted.
 *
 * The type and the id are the resource's own. What the message says of a URL and of headers is not looked at: the peer could
 * name any path of our server. A resource that has a field twice is none, because the server might take another id than the one
 * in the URL.
 *
 * It yields wherever it has worked for some milliseconds, since all peers and servers share one thread.
 */
export function* readResource(value: Uint8Array, ownLfhId: string): Generator<void, Reading> {
  const message = yield* readRecord(value);
  if (message === undefined) return { kind: 'skip', reason: 'Unreadable' };
  if (message.lfh_id === ownLfhId) return { kind: 'skip', reason: 'OwnMessage' };
  if (!TRANSMITTED_FORMAT.test(message.data_format)) return { kind: 'skip', reason: 'NotFhir' };
  return yield* readContent(message);
}

function* readContent(message: LfhMessage): Generator<void, Reading> {
  const bytes = Buffer.from(message.data, 'base64');
  yield;
  const content = isUtf8(bytes)
    ? yield* readObject(bytes.toString('utf8'), RESOURCE_FIELDS, { refuseRepeated: true })
    : undefined;
  if (content?.kind !== 'object') return unfit('data is not a JSON object in UTF-8 with each field once');
  const { resourceType: type, id } = content.fields;
  if (typeof type !== 'string' || !TYPE.test(type)) return unfit('resourceType is not the name of a type');
  if (id !== undefined && (typeof id !== 'string' || !ID.test(id))) return unfit('id is not one of FHIR');
  const key = id === undefined ? null : `${type}/${id}`;
  return { kind: 'resource', resource: { message, type, id, key, bytes } };
}

function unfit(detail: string): Reading {
  return { kind: 'unfit', detail };
}

function* readRecord(value: Uint8Array): Generator<void, LfhMessage | undefined> {
  if (!isUtf8(value)) return undefined;
  const text = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8');
  const found = yield* readObject(text, MESSAGE_FIELDS, { refuseRepeated: false });
  if (found.kind !== 'object') return undefined;
  const message = readMessage(found.fields);
  return 'kind' in message ? undefined : message;
}

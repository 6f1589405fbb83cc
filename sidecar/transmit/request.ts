import { syncName } from '../../common/contract/names.ts';
import type { Capabilities } from './capabilities.ts';
import type { Resource } from './resource.ts';
import { withTag } from './tagged.ts';

/** What is sent to a FHIR server. */
export interface FhirRequest {
  readonly method: 'POST' | 'PUT' | 'PATCH';
  readonly url: string;
  /** Ours alone: none is from the peer. Without the credentials, which the client adds. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** As much of a server's settings as decides what is sent. */
export interface Target {
  readonly url: string;
  readonly appendResourceType: boolean;
}

/** The system of the tag by which a server finds what it was sent before; the sender's sync name follows. */
const TAG_SYSTEM = 'https://sync.linuxforhealth.io/message/';

const JSON_TYPE = 'application/fhir+json';
/** A part of a resource, which is what a PATCH of connect's holds: FHIR's JSON Patch is a list, and no resource. */
const MERGE_PATCH = 'application/merge-patch+json';

/** The URL that connect would send the resource to. It is what records and the announcements of connect call its target. */
export function targetUrl({ url, appendResourceType }: Target, type: string): string {
  return appendResourceType ? `${url}/${type}` : url;
}

/**
 * The request for a resource.
 *
 * PUT and PATCH are what they are where the resource has an id, and are the same when they are repeated. A POST makes something
 * new each time. So where the server can search for it, the resource gets a tag with the message's uuid, and the server is
 * asked to create it only if nothing has that tag. The tag's system has the name of the node that the message is from: no
 * other node can take its uuid.
 *
 * A Bundle is sent like any other resource, to be stored and not to be executed: its entries have methods and URLs that the
 * peer chose. So where `appendResourceType` is off one that a server would execute is not sent.
 *
 * @returns a text where nothing may be sent
 */
export function requestFor(resource: Resource, target: Target, capabilities: Capabilities): FhirRequest | string {
  const { message, type, id, bytes } = resource;
  const url = targetUrl(target, type);
  const operation = message.operation.toUpperCase();
  if (target.appendResourceType && id !== undefined && (operation === 'PUT' || operation === 'PATCH')) {
    const contentType = operation === 'PATCH' ? MERGE_PATCH : JSON_TYPE;
    return { method: operation, url: `${url}/${id}`, headers: headersOf(contentType), body: bytes };
  }
  if (!target.appendResourceType && type === 'Bundle') {
    return 'it is a Bundle, which a server may execute where appendResourceType is off';
  }
  if (!target.appendResourceType || !capabilities.conditionalCreate(type)) {
    return { method: 'POST', url, headers: headersOf(JSON_TYPE), body: bytes };
  }
  const tag = { system: `${TAG_SYSTEM}${syncName(message.lfh_id)}`, code: message.uuid.toLowerCase() };
  const query = `_tag=${encodeURIComponent(`${tag.system}|${tag.code}`)}`;
  const tagged = withTag(bytes.toString('utf8'), tag);
  if (tagged === undefined) return 'its meta cannot have a tag: it is not one of FHIR';
  return {
    method: 'POST',
    url,
    headers: { ...headersOf(JSON_TYPE), 'If-None-Exist': query },
    body: Buffer.from(tagged),
  };
}

function headersOf(contentType: string): Record<string, string> {
  return { Accept: JSON_TYPE, 'Content-Type': contentType };
}

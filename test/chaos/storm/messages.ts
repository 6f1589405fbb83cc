import { randomUUID } from 'node:crypto';
import { type ConnectMessage, connectMessage } from '../../kit/sites/connect-message.ts';
import { CLUSTERED, receiverOf, SITES, type SiteName } from './schedule.ts';

/** What is sent in a storm, and what has to become of it: decisions, but for a uuid of each message. */

/** Larger messages are rejected; the limit is low, so that the storm has many of both sizes. */
export const MAX_MESSAGE_BYTES = 100_000;
/** This site takes no DICOM. */
const WITHOUT_DICOM: SiteName = CLUSTERED;
const FORMATS = ['FHIR*', 'IMAGE*'];
/** The only format of a storm that is transmitted to FHIR servers. */
const TRANSMITTED = 'FHIR-R4';

/** No administrator has thought of it at first. */
const FORGOTTEN = 'HL7*';

/** What a site takes from its peers. @param isMended whether its administrator has thought of what was forgotten */
export function allowedFormats(at: SiteName, isMended: boolean): string[] {
  return [...FORMATS, ...(at === WITHOUT_DICOM ? [] : ['DICOM*']), ...(isMended ? [FORGOTTEN] : [])];
}

/** The topics with what is replayed, besides LFH_SYNC; and where the rest ends. */
const DATA_TOPICS = ['FHIR-R5', 'FHIR-R4', 'IMAGE-PNG', 'DICOM', 'HL7-V2'] as const;
export const REJECTED = 'LFH_EXCEPTION';
export const TOPICS = ['LFH_SYNC', ...DATA_TOPICS, REJECTED] as const;

interface KindOfMessage {
  /** How often it is sent, beside the others. */
  readonly weight: number;
  readonly make: (origin: SiteName, marker: string) => ConnectMessage;
  /** The topic with its data; without it every receiver rejects it. */
  readonly topic?: (typeof DATA_TOPICS)[number];
  /** Only at such a receiver. */
  readonly rejectedAt?: (receiver: SiteName) => boolean;
  /** It is sent to a FHIR server by PUT. */
  readonly isUpdate?: true;
  /** Rejected while its format is forgotten, and redriven when it no longer is. */
  readonly isForgotten?: true;
  /** At the site whose `lfh_id` it has, which skips it. */
  readonly skippedAt?: (receiver: SiteName, origin: SiteName) => boolean;
}

const resourceOf =
  (bytes: number, format: string = TRANSMITTED) =>
  (origin: SiteName, marker: string) =>
    withMarker(marker, {
      lfhId: origin,
      content: { resourceType: 'Patient', text: { div: `${marker}${'x'.repeat(bytes)}` } },
      format,
    });

/** All of an origin are of one resource, so that a FHIR server has to get them in their order. */
const versionOf = (origin: SiteName, marker: string): ConnectMessage => {
  const uuid = randomUUID();
  const content = { resourceType: 'Patient', id: origin, meta: { versionId: uuid }, text: { div: marker } };
  return { ...withMarker(marker, { lfhId: origin, content, overrides: { uuid, operation: 'PUT' } }), uuid };
};

const inFormat = (format: string) => (origin: SiteName, marker: string) =>
  withMarker(marker, { lfhId: origin, content: `${marker} in any bytes`, format, url: '/image' });

/** A message that somebody has changed after connect had made it. */
const changed = (change: (text: string, marker: string) => string | Buffer) => (origin: SiteName, marker: string) => {
  const { uuid, payload } = resourceOf(20)(origin, marker);
  return { uuid, payload: Buffer.from(change(payload.toString('latin1'), marker) as string, 'latin1') };
};

const withFields = (overrides: (origin: SiteName) => Record<string, unknown>) => (origin: SiteName, marker: string) =>
  withMarker(marker, {
    lfhId: origin,
    content: { resourceType: 'Patient', id: marker },
    overrides: overrides(origin),
  });

const KINDS = {
  // Most are of a format that no FHIR server gets: more than some in a second are too many for two cores.
  resource: { weight: 800, topic: 'FHIR-R5', make: resourceOf(200, 'FHIR-R5') },
  'resource to transmit': { weight: 80, topic: 'FHIR-R4', make: resourceOf(200) },
  'resource to update': { weight: 5, topic: 'FHIR-R4', isUpdate: true, make: versionOf },
  'larger resource': { weight: 20, topic: 'FHIR-R4', make: resourceOf(15_000) },
  'large resource': { weight: 2, topic: 'FHIR-R4', make: resourceOf(60_000) },
  image: { weight: 40, topic: 'IMAGE-PNG', make: inFormat('IMAGE-PNG') },
  DICOM: {
    weight: 10,
    topic: 'DICOM',
    rejectedAt: (receiver) => receiver === WITHOUT_DICOM,
    make: inFormat('DICOM'),
  },
  HL7: {
    weight: 30,
    topic: 'HL7-V2',
    isForgotten: true,
    make: (origin, marker) =>
      withMarker(marker, { lfhId: origin, content: `MSH|^~\\&|${marker}\r`, format: 'HL7-V2', url: '/hl7' }),
  },
  'with spaces that connect does not write': {
    weight: 10,
    topic: 'FHIR-R4',
    make: changed((text) => text.replaceAll('": ', '":   ')),
  },
  'cut off': { weight: 3, make: changed((text) => text.slice(0, -40)) },
  'not UTF-8': { weight: 2, make: changed((text, marker) => text.replace(marker, `\xff\xfe${marker}`)) },
  'a list': { weight: 2, make: changed((text) => `[${text}]`) },
  'a field twice': { weight: 2, make: changed((text) => text.replace('{', '{"DATA": "", ')) },
  'deeper than anybody reads': {
    weight: 2,
    make: changed((text) => text.replace(/\}$/, `, "deep": ${'['.repeat(5_000)}${']'.repeat(5_000)}}`)),
  },
  'too large': { weight: 1, make: resourceOf(MAX_MESSAGE_BYTES) },
  'not base64': { weight: 2, make: withFields(() => ({ data: 'a===' })) },
  'without data': { weight: 2, make: withFields(() => ({ data: undefined })) },
  'not what its format says': { weight: 2, make: withFields(() => ({ data: Buffer.from('MSH').toString('base64') })) },
  'for a topic of ours': { weight: 2, make: withFields(() => ({ data_format: 'LFH_SYNC_POSITION_x' })) },
  'for an illegal topic': { weight: 2, make: withFields(() => ({ data_format: 'FHIR/../R4' })) },
  'of a stranger': { weight: 2, make: withFields(() => ({ lfh_id: 'hospital-x' })) },
  'of another site': {
    weight: 4,
    skippedAt: (receiver, origin) => receiver === neighbourOf(origin),
    make: withFields((origin) => ({ lfh_id: neighbourOf(origin) })),
  },
} as const satisfies Readonly<Record<string, KindOfMessage>>;

export type MessageKind = keyof typeof KINDS;
const ALL: Readonly<Record<MessageKind, KindOfMessage>> = KINDS;
const NAMES = Object.keys(KINDS) as MessageKind[];
export const MALFORMED = NAMES.filter((name) => ALL[name].topic === undefined);
const WEIGHT = NAMES.reduce((sum, name) => sum + ALL[name].weight, 0);

/** @param drawn from 0 to 1 */
export function kindOf(drawn: number): MessageKind {
  let left = drawn * WEIGHT;
  for (const name of NAMES) {
    left -= ALL[name].weight;
    if (left < 0) return name;
  }
  return 'resource';
}

export function makeMessage(kind: MessageKind, origin: SiteName, marker: string): ConnectMessage {
  return ALL[kind].make(origin, marker);
}

/**
 * The topics in which a message has to be at the end, on the way from its origin to a receiver; none of it may be in any other. One
 * that {@link isForgotten} is in LFH_EXCEPTION as well, if it was rejected at first.
 */
export function topicsFor(kind: MessageKind, way: string): readonly string[] {
  const { topic, rejectedAt, skippedAt }: KindOfMessage = KINDS[kind];
  const [origin, receiver] = [way.split('>')[0] as SiteName, receiverOf(way)];
  if (skippedAt?.(receiver, origin)) return [];
  return topic === undefined || rejectedAt?.(receiver) ? [REJECTED] : ['LFH_SYNC', topic];
}

/** How a message gets to the FHIR server of a receiver; undefined: not at all. */
export function transmittedBy(kind: MessageKind, way: string): 'POST' | 'PUT' | undefined {
  if (!topicsFor(kind, way).includes(TRANSMITTED)) return undefined;
  return ALL[kind].isUpdate ? 'PUT' : 'POST';
}

export function isForgotten(kind: MessageKind): boolean {
  return ALL[kind].isForgotten ?? false;
}

const UUID = /"uuid": +"([0-9a-f-]{36})"/;

/** The uuid in a payload, however malformed that is. */
export function uuidIn(payload: Buffer): string | undefined {
  return UUID.exec(payload.toString('latin1', 0, 2_000))?.[1];
}

/** The uuid of the message in a record, which in LFH_EXCEPTION is quoted as a whole. */
export function uuidOf(topic: string, headers: Readonly<Record<string, string>>, value: Buffer): string | undefined {
  if (topic !== REJECTED) return uuidIn(value);
  const { data } = JSON.parse(value.toString('utf8')) as { data: string };
  return uuidIn(Buffer.from(data, headers['lfh-sync-encoding'] === 'text' ? 'utf8' : 'base64'));
}

function neighbourOf(origin: SiteName): SiteName {
  return SITES[(SITES.indexOf(origin) + 1) % SITES.length] as SiteName;
}

function withMarker(marker: string, options: Parameters<typeof connectMessage>[0]): ConnectMessage {
  const transmission_attributes = { host: 'localhost:5000', 'content-type': 'application/json', 'x-storm': marker };
  return connectMessage({ ...options, overrides: { transmission_attributes, ...options.overrides } });
}

import { isPlainOrigin, type SidecarStatus } from '../../common/contract/status.ts';

/** What the records of a node's Kafka tell of one message, by its uuid. Nothing of a payload is kept. */

/** A record of LFH_SYNC. */
export interface SyncPlace {
  readonly kind: 'sync';
  readonly partition: number;
  readonly offset: string;
  /** When it was written, in milliseconds since 1970. */
  readonly time: number;
  /** Who has taken it in; undefined for what cannot be shown. */
  readonly lfhId: string | undefined;
  /** `topic:partition:offset` of the data, as connect writes it. */
  readonly location: string | undefined;
}

/** A record of LFH_EXCEPTION. */
export interface ExceptionPlace {
  readonly kind: 'exception';
  readonly partition: number;
  readonly offset: string;
  readonly time: number;
  /** From the headers; all undefined where connect itself has written it. */
  readonly peer: string | undefined;
  readonly sequence: string | undefined;
  readonly reason: string | undefined;
}

export type Place = SyncPlace | ExceptionPlace;

/** A record as it is fetched. */
export interface TracedRecord {
  readonly offset: string;
  readonly timestamp: string;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, Buffer | undefined>>;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export function isUuid(text: string): boolean {
  return UUID.test(text);
}

/** @returns undefined for a record that is not about the message */
export function syncPlace(record: TracedRecord, partition: number, uuid: string): SyncPlace | undefined {
  const fields = fieldsOf(record.value, uuid);
  if (fields?.uuid !== uuid) return undefined;
  const { lfh_id: lfhId, data_record_location: location } = fields;
  return {
    kind: 'sync',
    partition,
    offset: record.offset,
    time: Number(record.timestamp),
    lfhId: typeof lfhId === 'string' && isPlainOrigin(lfhId) ? lfhId : undefined,
    location: typeof location === 'string' && LOCATION.test(location) ? location : undefined,
  };
}

const LOCATION = /^[A-Za-z0-9._-]{1,249}:\d{1,10}:\d{1,19}$/;

/**
 * A rejected message is in its record as base64, in which no uuid can be searched for: it is read only where the record's own uuid, or
 * the message in it, is the one.
 */
export function exceptionPlace(record: TracedRecord, partition: number, uuid: string): ExceptionPlace | undefined {
  const fields = fieldsOf(record.value, '');
  if (!fields || (fields.uuid !== uuid && !holds(fields.data, uuid))) return undefined;
  const header = (name: string): string | undefined => {
    const text = record.headers[`lfh-sync-${name}`]?.toString('utf8');
    return text !== undefined && isPlainOrigin(text) ? text : undefined;
  };
  return {
    kind: 'exception',
    partition,
    offset: record.offset,
    time: Number(record.timestamp),
    peer: header('peer'),
    sequence: header('sequence'),
    reason: header('reason'),
  };
}

/** Whether the data of a record hold a uuid, as base64 or as text. */
function holds(data: unknown, uuid: string): boolean {
  if (typeof data !== 'string') return false;
  return data.includes(uuid) || Buffer.from(data, 'base64').includes(uuid);
}

/** @param word that the value has to hold: most records are left without being parsed */
function fieldsOf(value: Buffer | null, word: string): Readonly<Record<string, unknown>> | undefined {
  if (value === null || !value.includes(word)) return undefined;
  try {
    const fields: unknown = JSON.parse(value.toString('utf8'));
    return typeof fields === 'object' && fields !== null ? (fields as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}

/** What is said of a message. */
export interface Traced {
  readonly uuid: string;
  /** Of this node. */
  readonly lfhId: string;
  readonly places: readonly Place[];
  /** How far back was looked, in milliseconds since 1970. */
  readonly since: number;
  /** What the sidecar of this pod reports; undefined where it does not answer. */
  readonly sidecar: SidecarStatus | undefined;
}

export function traceText({ uuid, lfhId, places, since, sidecar }: Traced): string {
  const found = places.map((place) => (place.kind === 'sync' ? syncText(place, lfhId) : exceptionText(place)));
  if (found.length > 0) return [uuid, ...found].join('\n');
  const waiting = (sidecar?.peers ?? [])
    .filter(({ owned }) => owned)
    .map(({ name, lag }) => `${lag ?? 'not known how many'} wait at ${name}`);
  const known = sidecar
    ? waiting.join(', ') || 'this sidecar replays no peer; ask those of the other pods'
    : 'the sidecar does not answer, so what waits is not known';
  return [
    uuid,
    `  not here since ${timeText(since)}: neither replayed nor rejected, nor taken in by this node's connect`,
    `  not yet, or from before that: ${known}`,
  ].join('\n');
}

function syncText({ partition, offset, time, lfhId, location }: SyncPlace, own: string): string {
  const at = `LFH_SYNC:${partition}:${offset}, at ${timeText(time)}`;
  const data = location === undefined ? '' : `; its data are in ${location}`;
  return lfhId === own
    ? `  taken in by this node's connect (${at}${data})`
    : `  replayed here from ${lfhId ?? 'a node whose id cannot be shown'} (${at}${data})`;
}

function exceptionText({ partition, offset, time, peer, sequence, reason }: ExceptionPlace): string {
  const at = `LFH_EXCEPTION:${partition}:${offset}, at ${timeText(time)}`;
  if (reason === undefined) return `  put into LFH_EXCEPTION by something else than the replay (${at})`;
  return `  rejected as ${reason} (${at}); it is the message ${sequence ?? '?'} in the stream of ${peer ?? '?'}. lfh-sync explain ${reason} says what to do`;
}

function timeText(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}

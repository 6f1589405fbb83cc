import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { FhirServer } from '../../kit/servers/fhir-server.ts';
import { eachWithJava } from '../../kit/servers/java-consumer.ts';
import { compare, type Difference, type Expected, type Found, linesWith, notBefore, type Revoked } from './compare.ts';
import { isForgotten, REJECTED, TOPICS, topicsFor, transmittedBy, uuidOf } from './messages.ts';
import type { Origin, Stored } from './origin.ts';
import { SITES, type SiteName } from './schedule.ts';
import type { StormSite } from './storm-site.ts';

const READ_MS = 600_000;
/** How many of what is wrong are named. */
const SHOWN = 5;

/** What is wrong at one place: a topic of a site, with what is from one origin. */
export interface Finding {
  readonly place: string;
  readonly difference: Difference;
  readonly expected: number;
  /** How many of the expected were rejected at first, and have to be redriven. */
  readonly redriven: number;
}

interface Transmitting {
  readonly name: SiteName;
  readonly fhir: Pick<FhirServer, 'stored' | 'taken'> | undefined;
}

/** Messages that are compared among themselves, because they have to be in order. */
interface Group {
  readonly name: string;
  readonly origin: SiteName;
  readonly stored: readonly Stored[];
  /** Whether they were forgotten at first; then some of them were redriven, behind what came later. */
  readonly areForgotten: boolean;
}

/** Compares what each origin's stream has stored with what the Java consumer reads at a receiver. */
export async function checkReceiver(
  receiver: StormSite,
  origins: ReadonlyMap<SiteName, Origin>,
  revoked: readonly Revoked[],
): Promise<Finding[]> {
  const groups = [...origins].flatMap(([origin, { stored }]) => groupsOf(origin, stored));
  const owners = new Map(groups.flatMap(({ name, stored }) => stored.map(({ id }) => [id, name] as const)));
  const found = new Map<string, Found[]>();
  await eachWithJava(
    receiver.addresses,
    TOPICS,
    ({ topic, headers, time, value }) => {
      const id = uuidOf(topic, headers, value) ?? `nobody's`;
      const place = placeOf(topic, receiver.name, owners.get(id) ?? 'nobody');
      const list = found.get(place) ?? [];
      found.set(place, list);
      list.push({ id, time });
    },
    READ_MS,
  );
  return TOPICS.flatMap((topic) => {
    const foundOf = (name: string): Found[] => found.get(placeOf(topic, receiver.name, name)) ?? [];
    const nobodys = { place: placeOf(topic, receiver.name, 'nobody'), difference: compare([], foundOf('nobody')) };
    return [
      ...groups.map((group) => checkGroup(group, topic, receiver.name, foundOf(group.name), revoked)),
      { ...nobodys, expected: 0, redriven: 0 },
    ];
  });
}

function groupsOf(origin: SiteName, stored: readonly Stored[]): Group[] {
  return [false, true].map((areForgotten) => ({
    name: areForgotten ? `${origin}, forgotten at first` : origin,
    origin,
    stored: stored.filter(({ kind }) => isForgotten(kind) === areForgotten),
    areForgotten,
  }));
}

function checkGroup(
  { name, origin, stored, areForgotten }: Group,
  topic: string,
  receiver: SiteName,
  found: readonly Found[],
  revoked: readonly Revoked[],
): Finding {
  const way = `${origin}>${receiver}`;
  // Nothing tells when exactly a site had forgotten them. But one that was rejected was rejected once, in the order of the stream.
  const rejected = new Set(areForgotten && topic === REJECTED ? found.map(({ id }) => id) : []);
  const expected: Expected[] = (origin === receiver ? [] : stored)
    .filter(({ id, kind }) => topicsFor(kind, way).includes(topic) || rejected.has(id))
    .map(({ id, time }) => ({ id, notBefore: notBefore(way, time, revoked) ?? 0 }));
  const difference = compare(expected, found);
  return {
    place: placeOf(topic, receiver, name),
    expected: expected.length,
    redriven: rejected.size,
    difference: areForgotten && topic !== REJECTED ? { ...difference, outOfOrder: [] } : difference,
  };
}

function placeOf(topic: string, receiver: SiteName, from: string): string {
  return `${topic} of ${receiver}, from ${from}`;
}

/**
 * Compares what was announced at a receiver with what had to be. What may be announced again, after more than the stream's
 * duplicate window, and what a fault has taken with the stream is not for us to answer for (docs/adr/0028).
 */
export function checkAnnounced(receiver: SiteName, origins: ReadonlyMap<SiteName, Origin>): Finding[] {
  const at = origins.get(receiver);
  return SITES.filter((name) => name !== receiver).map((name) => {
    const stored = origins.get(name)?.stored ?? [];
    const own = new Set(stored.map(({ id }) => id));
    const way = `${name}>${receiver}`;
    const expected = stored.filter(({ kind }) => topicsFor(kind, way).includes('LFH_SYNC')).map(({ id }) => ({ id }));
    const found = (at?.announced ?? []).filter((id) => own.has(id)).map((id) => ({ id, time: Date.now() }));
    const redriven = new Set(stored.filter(({ kind }) => isForgotten(kind)).map(({ id }) => id));
    const { outOfOrder, ...others } = compare(expected, found);
    const difference = { ...others, outOfOrder: outOfOrder.filter((id) => !redriven.has(id)) };
    return {
      place: `EVENTS.app_sync of ${receiver}, from ${name}`,
      expected: expected.length,
      redriven: 0,
      difference: at?.announcementsGone ? { ...difference, lost: [] } : difference,
    };
  });
}

/**
 * Compares what a FHIR server was sent with what had to be transmitted to it (docs/adr/0026). What it makes, it has to have once,
 * however often it was asked. Updates may be repeated, but each has to come first behind the one before it, and the newest last.
 */
export function checkTransmitted(
  { name, fhir }: Transmitting,
  origins: ReadonlyMap<SiteName, Pick<Origin, 'stored'>>,
): Finding[] {
  const made = idsOf(fhir?.stored ?? []);
  const taken = idsOf(fhir?.taken ?? []);
  const finding = (from: string, expected: readonly string[], found: readonly string[]): Finding => ({
    place: `the FHIR server of ${name}, ${from}`,
    expected: expected.length,
    redriven: 0,
    difference: compare(
      expected.map((id) => ({ id })),
      found.map((id) => ({ id, time: Date.now() })),
    ),
  });
  const known = new Set<string>();
  const findings = SITES.filter((origin) => origin !== name).flatMap((origin) => {
    const stored = origins.get(origin)?.stored ?? [];
    const sentBy = (method: 'POST' | 'PUT'): string[] =>
      stored.filter(({ kind }) => transmittedBy(kind, `${origin}>${name}`) === method).map(({ id }) => id);
    const [creates, updates] = [new Set(sentBy('POST')), new Set(sentBy('PUT'))];
    for (const id of [...creates, ...updates]) known.add(id);
    const created = finding(
      `made for ${origin}`,
      [...creates],
      made.filter((id) => creates.has(id)),
    );
    const ofUpdates = taken.filter((id) => updates.has(id));
    const updated = finding(`updated for ${origin}`, [...updates], ofUpdates);
    const newest = finding(`at last updated for ${origin}`, [...updates].slice(-1), ofUpdates.slice(-1));
    return [
      { ...created, difference: { ...created.difference, outOfOrder: [] } },
      { ...updated, difference: { ...updated.difference, twice: [] } },
      newest,
    ];
  });
  return [
    ...findings,
    finding(
      'from nobody',
      [],
      taken.filter((id) => !known.has(id)),
    ),
  ];
}

/** How often a FHIR server has taken what it had taken before. */
export function takenAgain({ fhir }: Transmitting): number {
  const ids = idsOf(fhir?.taken ?? []);
  return ids.length - new Set(ids).size;
}

/** The uuids of the messages that resources are from: in the tag that a create is given, or in what an update has as its version. */
function idsOf(resources: FhirServer['taken']): string[] {
  return resources.map(({ meta }) => meta?.tag?.[0]?.code ?? meta?.versionId ?? `nobody's`);
}

/** The messages that a stream had confirmed, and has not. That would be a fault of nats-server's. */
export function notStored({ confirmed, stored }: Origin): string[] {
  const ids = new Set(stored.map(({ id }) => id));
  return [...confirmed].filter((id) => !ids.has(id));
}

/** The lines of logs that have something of a payload, each with its file. */
export async function payloadsInLogs(files: readonly string[], wanted: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const file of files) {
    for await (const text of createInterface({ input: createReadStream(file) })) {
      found.push(...linesWith([text], wanted).map((each) => `${file}: ${each.slice(0, 500)}`));
    }
  }
  return found;
}

/** For a person: what is wrong at a place, with the first of each. Nothing where all is well. */
export function describe({ place, difference, expected }: Finding): string[] {
  return Object.entries(difference).flatMap(([what, ids]: [string, readonly string[]]) =>
    ids.length > 0 ? [`${place}: ${ids.length} of ${expected} ${what}: ${ids.slice(0, SHOWN).join(', ')}`] : [],
  );
}

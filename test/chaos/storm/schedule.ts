/**
 * Which sites and faults a storm has, where, and when: decisions only. The same seed and length always give the same schedule, so that a
 * storm that found something can be had again.
 */

export const SITES = ['hospital-a', 'hospital-b', 'hospital-c'] as const;
export type SiteName = (typeof SITES)[number];

/** This site has a Kafka of three brokers; the others have one broker each, behind a line. */
export const CLUSTERED: SiteName = 'hospital-c';
/** This site has two sidecars, the others one each. */
export const REPLICATED: SiteName = 'hospital-a';
/** This site transmits to a FHIR server, so that one sidecar can take the transmission over from another. */
export const TRANSMITTING: SiteName = 'hospital-a';

/** In what the sites of a storm differ by its seed. */
export interface Cast {
  /** At this site the peers are users of one account, and at the others each has an account of its own. */
  readonly sharedAccount: SiteName;
  /** The nats-server of this site is from before resets and identities of streams; in half of the storms there is none. */
  readonly oldNats: SiteName | undefined;
}

/** One fault. Times are in milliseconds: `at` since the beginning of the storm, and `for` how long it lasts at least. */
export interface Fault {
  readonly at: number;
  readonly fault: FaultName;
  /** A site; a part of one as `hospital-a/2`; or the way from one site to another as `hospital-a>hospital-b`. */
  readonly where: string;
  readonly for: number;
}

/** So many faults are under way at a time at most. */
export const MOST_AT_ONCE = 3;
/** For so long after the end of a fault nothing else happens to what it used. */
const AFTERMATH_MS = 5_000;
/** Before the first fault and after the end of the last one. */
const QUIET_MS = 5_000;
/** Between the beginnings of two faults. */
const BETWEEN_MS: Range = [2_000, 8_000];

type Range = readonly [least: number, most: number];

interface FaultKind {
  readonly places: readonly string[];
  readonly lasts: Range;
  /** What nobody else may touch meanwhile. Everything else may happen at the same time. */
  readonly uses: (where: string) => readonly string[];
}

const SINGLE = SITES.filter((site) => site !== CLUSTERED);
export const SIDECARS = SITES.flatMap((site) => (site === REPLICATED ? [`${site}/1`, `${site}/2`] : [`${site}/1`]));
const BROKERS = [...SINGLE, ...[1, 2, 3].map((id) => `${CLUSTERED}/${id}`)];
/** Every way that messages go: from their origin to a receiver. */
export const WAYS = SITES.flatMap((from) => SITES.filter((to) => to !== from).map((to) => `${from}>${to}`));

const sidecar = (where: string): string[] => [`sidecar ${where}`];
const nats = (where: string): string[] => [`nats ${where}`];
/** One broker of a cluster at a time. */
const kafka = (where: string): string[] => [`kafka ${siteOf(where)}`];
const line = (where: string): string[] => [`line ${where}`];
const fhir = (where: string): string[] => [`fhir ${where}`];
const durable = (where: string): string[] => [`durable ${where}`];
const stream = (where: string): string[] => [`stream ${where}`, `nats ${where}`, ...waysFrom(where).flatMap(durable)];
const SHORT: Range = [0, 5_000];
/** Some are shorter, some longer than what servers and clients wait for a sign of life. */
const WHILE: Range = [2_000, 20_000];
const MOMENT: Range = [0, 0];

const KINDS = {
  'sidecar: kill -9': { places: SIDECARS, lasts: SHORT, uses: sidecar },
  'sidecar: restart': { places: SIDECARS, lasts: SHORT, uses: sidecar },
  'sidecar: SIGSTOP': { places: SIDECARS, lasts: WHILE, uses: sidecar },
  'NATS: kill -9': { places: SITES, lasts: SHORT, uses: nats },
  'NATS: restart': { places: SITES, lasts: SHORT, uses: nats },
  'NATS: SIGSTOP': { places: SITES, lasts: WHILE, uses: nats },
  'Kafka: kill -9': { places: BROKERS, lasts: SHORT, uses: kafka },
  'Kafka: restart': { places: BROKERS, lasts: SHORT, uses: kafka },
  'Kafka: SIGSTOP': { places: BROKERS, lasts: WHILE, uses: kafka },
  'Kafka: leaders move': { places: [CLUSTERED], lasts: MOMENT, uses: kafka },
  'Kafka: refuses writes': { places: SINGLE, lasts: WHILE, uses: kafka },
  'line to Kafka: cut': { places: SINGLE, lasts: WHILE, uses: line },
  'line to Kafka: still': { places: SINGLE, lasts: WHILE, uses: line },
  'line to Kafka: slow': { places: SINGLE, lasts: WHILE, uses: line },
  'line to a peer: cut': { places: WAYS, lasts: WHILE, uses: line },
  'line to a peer: still': { places: WAYS, lasts: WHILE, uses: line },
  'line to a peer: slow': { places: WAYS, lasts: WHILE, uses: line },
  'messages: malformed': { places: SITES, lasts: MOMENT, uses: () => [] },
  'messages: large': { places: SITES, lasts: MOMENT, uses: () => [] },
  'rejected: allowed for a while, and redriven': { places: SITES, lasts: WHILE, uses: (where) => [`redrive ${where}`] },
  'FHIR server: down': { places: [TRANSMITTING], lasts: WHILE, uses: fhir },
  'FHIR server: answers 500': { places: [TRANSMITTING], lasts: WHILE, uses: fhir },
  'FHIR server: asks for patience': { places: [TRANSMITTING], lasts: WHILE, uses: fhir },
  'FHIR server: hangs': { places: [TRANSMITTING], lasts: WHILE, uses: fhir },
  'FHIR server: breaks its answers off': { places: [TRANSMITTING], lasts: WHILE, uses: fhir },
  'durable: paused, so that a backlog grows': { places: WAYS, lasts: WHILE, uses: durable },
  'durable: deleted and made again': { places: WAYS, lasts: SHORT, uses: durable },
  'durable: somebody else pulls from it': { places: WAYS, lasts: MOMENT, uses: durable },
  'stream: what is replayed expires': { places: SITES, lasts: MOMENT, uses: stream },
  'stream: restored from a backup': { places: SITES, lasts: MOMENT, uses: stream },
  'stream: recreated': { places: SITES, lasts: MOMENT, uses: stream },
  'stream: an older copy put back': { places: SITES, lasts: [2_000, 5_000], uses: stream },
  'access: taken and granted again': {
    places: WAYS,
    lasts: WHILE,
    uses: (where) => [...nats(originOf(where)), ...durable(where)],
  },
  // Every server has to be told of a new key.
  'key: rotated': { places: SITES, lasts: WHILE, uses: (where) => [`key ${where}`, ...SITES.flatMap(nats)] },
  // Connections are cut, so that the new certificate is looked at.
  'CA: another one': {
    places: SITES,
    lasts: WHILE,
    uses: (where) => [...nats(where), ...waysFrom(where).flatMap(line)],
  },
} as const satisfies Readonly<Record<string, FaultKind>>;

export type FaultName = keyof typeof KINDS;
export const FAULT_NAMES = Object.keys(KINDS) as readonly FaultName[];

/** What a fault uses, and nobody else may use meanwhile. */
export function usedBy({ fault, where }: Pick<Fault, 'fault' | 'where'>): readonly string[] {
  return KINDS[fault].uses(where);
}

/** The site of a place such as `hospital-a/2`. */
export function siteOf(where: string): SiteName {
  return where.split('/')[0] as SiteName;
}

export function originOf(way: string): SiteName {
  return way.split('>')[0] as SiteName;
}

function waysFrom(where: string): string[] {
  return WAYS.filter((way) => originOf(way) === where);
}

export function receiverOf(way: string): SiteName {
  return way.split('>')[1] as SiteName;
}

/** Whether a fault hits what is behind the replay, and never the replay. */
export function isAboutFhir({ fault }: Pick<Fault, 'fault'>): boolean {
  return fault.startsWith('FHIR server');
}

/** The ways on which messages can stand still because of a fault. */
export function waysHitBy({ fault, where }: Pick<Fault, 'fault' | 'where'>): readonly string[] {
  if (where.includes('>')) return [where];
  if (isAboutFhir({ fault })) return [];
  const site = siteOf(where);
  const atReceiver = /^(?:sidecar|Kafka|line to Kafka|key|rejected)/.test(fault);
  return WAYS.filter((way) => (atReceiver ? receiverOf(way) : originOf(way)) === site);
}

/**
 * Draws a schedule. Every kind comes once before any comes again, in another order each time; where and how long is drawn. No two
 * faults use the same thing at the same time, at most {@link MOST_AT_ONCE} are under way, and all have ended before the end.
 *
 * @param minutes how long the storm is
 */
export function schedule(seed: number, minutes: number): Fault[] {
  const random = randomNumbers(seed);
  const end = minutes * 60_000 - QUIET_MS;
  const faults: Fault[] = [];
  let waiting: FaultName[] = [];
  for (let at = QUIET_MS; at < end; ) {
    if (waiting.length === 0) waiting = shuffled(FAULT_NAMES, random);
    const active = faults.filter((fault) => fault.at + fault.for > at);
    const next = active.length < MOST_AT_ONCE ? firstPossible(waiting, faults, at, random) : undefined;
    if (next === undefined) {
      at += 1_000;
      continue;
    }
    waiting = waiting.filter((name) => name !== next.fault);
    if (next.at + next.for <= end) faults.push(next);
    at += between(BETWEEN_MS, random);
  }
  return faults;
}

/** Draws in what the sites differ. The numbers are others than those of the {@link schedule}, so that all combinations come. */
export function castOf(seed: number): Cast {
  const random = randomNumbers(~seed);
  const anySite = (): SiteName => SITES[Math.floor(random() * SITES.length)] as SiteName;
  const sharedAccount = anySite();
  return { sharedAccount, oldNats: random() < 0.5 ? anySite() : undefined };
}

/** The first of the kinds for which there is a place where nothing else is under way. */
function firstPossible(
  names: readonly FaultName[],
  faults: readonly Fault[],
  at: number,
  random: () => number,
): Fault | undefined {
  const inUse = new Set(faults.filter((fault) => fault.at + fault.for + AFTERMATH_MS > at).flatMap(usedBy));
  for (const fault of names) {
    const free = KINDS[fault].places.filter((where) => !usedBy({ fault, where }).some((thing) => inUse.has(thing)));
    const where = free[Math.floor(random() * free.length)];
    if (where !== undefined) return { at, fault, where, for: between(KINDS[fault].lasts, random) };
  }
  return undefined;
}

function between([least, most]: Range, random: () => number): number {
  return Math.round(least + random() * (most - least));
}

function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  return items
    .map((item): [number, Item] => [random(), item])
    .sort(([a], [b]) => a - b)
    .map(([, item]) => item);
}

/** Numbers from 0 to 1 that look random, always the same ones for a seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

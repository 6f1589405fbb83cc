import { Limiter } from '../../common/limiter.ts';
import type { Client } from './connections.ts';
import { TRANSACTION_TIMEOUT_MS } from './coordinator.ts';
import { protocolError } from './errors.ts';
import { CLOCKS_MS, type FetchedRecord, Fetcher, PAGE_BYTES, STAMPED_BY_BROKER } from './fetch.ts';
import { keyOf, type Place } from './record-batch.ts';
import type { LastRecord, WrittenPlace } from './transaction-headers.ts';
import { isUpTo, namesPartitions, sequenced, writtenPlaces } from './transaction-headers.ts';

/** How far a record is looked for behind the first that is as young: some seconds of what all peers together write. */
const PAGES = 64;
/** What is younger than a record of a transaction by more than this was written after that had ended. */
const WRITTEN_WITHIN_MS = TRANSACTION_TIMEOUT_MS + CLOCKS_MS;
/**
 * All peers share one thread, on which kafkajs decodes what was fetched. A record that was never written is looked for up to the
 * end of its partition, and hundreds of peers look at the same time when a broker is lost. What is on the first page waits for
 * nobody.
 */
const LONG_SEARCHES = new Limiter(2);

/** Whether a partition is there. `hidden`: nobody tells us. */
export type StateOf = (place: Place) => 'there' | 'gone' | 'hidden';

/** What became of a transaction in a partition. `unknown` where we may not read, or have not found it within {@link PAGES}. */
export type Seen = 'committed' | 'aborted' | 'open' | 'missing' | 'unknown';

/** What each partition that a transaction wrote to shows of it, by {@link keyOf}. */
export type Shown = ReadonlyMap<string, Seen>;

/** What the partitions show of some transactions of one session together. */
export interface Weighed {
  /** How many of them count, from the first on: Kafka had decided to commit them, and no partition is known to have lost one. */
  readonly whole: number;
  /** The partitions in which one that Kafka had decided to commit was aborted, or may have been, by {@link keyOf}. */
  readonly torn: readonly string[];
  /** The partitions that do not show whether they have all of those that count, by {@link keyOf}. */
  readonly unseen: readonly string[];
}

/** What the partitions show of the records of a position topic. */
export interface Evidence extends Omit<Weighed, 'whole'> {
  /** How many of the records, from the first on, belong to transactions that count. */
  readonly committed: number;
}

/**
 * Finds out from the other partitions which transactions were committed, where the position topic does not tell: see {@link weigh}.
 *
 * @param records of the position topic, in order, of one producer since it was given its epoch
 * @param stateOf of a partition: `hidden` where we may not even know whether it exists
 * @param positions how the position topic has them
 * @throws what kafkajs throws
 */
export async function findEvidence(
  client: Client,
  records: readonly FetchedRecord[],
  stateOf: StateOf,
  positions: 'open' | 'aborted',
): Promise<Evidence> {
  const { kafka } = client;
  const readers = { client, written: new Fetcher(kafka, 'uncommitted'), committed: new Fetcher(kafka) };
  const starts = records.flatMap((record, at) => (namesPartitions(record) ? [at] : []));
  try {
    await Promise.all([readers.written.connect(), readers.committed.connect()]);
    const shown: Shown[] = [];
    for (const start of starts) {
      const position = records[start] as FetchedRecord;
      const { producerId } = position.batchContext;
      const seen = writtenPlaces(position)
        .filter((place) => stateOf(place) !== 'gone')
        .map(async (place): Promise<[string, Seen]> => {
          return [keyOf(place), stateOf(place) === 'hidden' ? 'unknown' : await look(readers, producerId, place)];
        });
      shown.push(new Map(await Promise.all(seen)));
    }
    const { whole, ...places } = weigh(shown, positions);
    // What a transaction wrote behind its position belongs to it.
    return { committed: whole === 0 ? 0 : (starts[whole] ?? records.length), ...places };
  } finally {
    await Promise.all([readers.written.disconnect(), readers.committed.disconnect()]);
  }
}

/**
 * Decides which transactions count, from what their partitions show. Pure.
 *
 * One that is committed in any partition, Kafka had decided to commit; so it had those before it, since a producer begins a
 * transaction when the one before it is committed. Of those that Kafka had decided to commit, one is torn that is not in a
 * partition: its messages would be lost there. So it is replayed again, and with it all that come after it.
 *
 * A partition that does not show what it has (`unknown`) lacks what an abort has reached there: that of a transaction after the last
 * that Kafka had decided to commit. Each that was written names its partitions. Where none was written and the position was
 * aborted all the same, the abort was of one whose partitions nobody knows.
 *
 * @param shown of each transaction of a session, in order
 */
export function weigh(shown: readonly Shown[], positions: 'open' | 'aborted'): Weighed {
  const decided = shown.findLastIndex(isCommittedAnywhere) + 1;
  const later = shown.slice(decided);
  const mayBeAborted = (place: string): boolean =>
    later.length === 0 ? positions === 'aborted' : later.some((places) => places.has(place));
  const isLost = ([place, seen]: readonly [string, Seen]): boolean =>
    seen === 'aborted' || seen === 'missing' || (seen === 'unknown' && mayBeAborted(place));
  const lost = shown.slice(0, decided).map((places) => [...places].filter(isLost));
  const firstTorn = lost.findIndex((places) => places.length > 0);
  const whole = shown.slice(0, firstTorn < 0 ? decided : firstTorn).findLastIndex(isCommittedAnywhere) + 1;
  const unseen = shown.slice(0, whole).flatMap((places) => [...places].filter(([, seen]) => seen === 'unknown'));
  return { whole, torn: placesOf(lost.flat()), unseen: placesOf(unseen) };
}

function isCommittedAnywhere(places: Shown): boolean {
  return [...places.values()].includes('committed');
}

function placesOf(entries: readonly (readonly [string, Seen])[]): string[] {
  return [...new Set(entries.map(([place]) => place))];
}

interface Readers {
  readonly client: Client;
  readonly written: Fetcher;
  readonly committed: Fetcher;
}

type Wanted = WrittenPlace & { readonly last: LastRecord };

async function look(readers: Readers, producerId: string, { topic, partition, last }: WrittenPlace): Promise<Seen> {
  if (last === undefined) return 'unknown';
  try {
    const offset = await find(readers, { topic, partition, last }, producerId);
    if (typeof offset === 'string') return offset;
    const { records, lastStable } = await readers.committed.fetch(topic, partition, offset, 0, 1);
    if (records.some((record) => record.offset === String(offset))) return 'committed';
    return lastStable > offset ? 'aborted' : 'open';
  } catch (error) {
    // The sidecar needs no right to read the topics of messages.
    if (protocolError(error)?.type === 'TOPIC_AUTHORIZATION_FAILED') return 'unknown';
    throw error;
  }
}

async function find(readers: Readers, wanted: Wanted, producerId: string): Promise<bigint | Seen> {
  const found = await findSince(readers, wanted, producerId, { since: wanted.last.timestamp, stampedOnly: false });
  if (found !== 'missing') return found;
  // Where the broker writes the time into each record, its clock may be behind ours.
  return findSince(readers, wanted, producerId, { since: wanted.last.timestamp - CLOCKS_MS, stampedOnly: true });
}

async function findSince(
  { client, written }: Readers,
  { topic, partition, last }: Wanted,
  producerId: string,
  { since, stampedOnly }: { readonly since: number; readonly stampedOnly: boolean },
): Promise<bigint | Seen> {
  const first = await written.offsetSince(topic, partition, since);
  if (first === undefined) return 'missing';
  const search = async (
    from: bigint,
  ): Promise<{ readonly found: bigint | Seen | undefined; readonly next: bigint }> => {
    const { records, next } = await written.fetch(topic, partition, from, 0, PAGE_BYTES);
    const isOver = next <= from || (stampedOnly && !records.every(isStamped));
    return { found: findIn(records, producerId, last) ?? (isOver ? 'missing' : undefined), next };
  };
  let { found, next } = await search(first);
  if (found !== undefined) return found;
  const goOn = async (): Promise<bigint | Seen> => {
    for (let page = 1; page < PAGES && found === undefined; page += 1) ({ found, next } = await search(next));
    return found ?? 'unknown';
  };
  // A take-over that was given up must not keep the others waiting.
  return LONG_SEARCHES.run(() => client.guard(goOn()));
}

function isStamped({ batchContext }: FetchedRecord): boolean {
  return batchContext.timestampType === STAMPED_BY_BROKER;
}

/**
 * Looks for a producer's record among some of its partition. Pure.
 *
 * @returns its offset; `missing` where one of these was written after it, so that it does not come any more
 */
export function findIn(
  records: readonly FetchedRecord[],
  producerId: string,
  last: LastRecord,
): bigint | 'missing' | undefined {
  for (const record of records) {
    if (record.batchContext.producerId === producerId && isUpTo(last, sequenced(record))) {
      const { epoch, sequence } = sequenced(record);
      return epoch === last.epoch && sequence === last.sequence ? BigInt(record.offset) : 'missing';
    }
    if (Number(record.timestamp) > last.timestamp + WRITTEN_WITHIN_MS) return 'missing';
  }
  return undefined;
}

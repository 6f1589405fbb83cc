import type { Kafka } from 'kafkajs';
import { protocolError } from './errors.ts';
import { type FetchedRecord, Fetcher, PAGE_BYTES } from './fetch.ts';
import { keyOf } from './record-batch.ts';
import type { LastRecord, WrittenPlace } from './transaction-headers.ts';
import { namesPartitions, sequenced, writtenPlaces } from './transaction-headers.ts';

/** How far a record is looked for behind the first that is as young: some seconds of what all peers together write. */
const PAGES = 64;

/** What became of a transaction in a partition. `unknown` where we may not read, or do not know what to look for. */
export type Seen = 'committed' | 'aborted' | 'open' | 'missing' | 'unknown';

/** What the partitions show of some transactions of one producer. */
export interface Evidence {
  /** How many of the position topic's records, from the first on, belong to transactions that were committed. */
  readonly committed: number;
  /** Whether a later transaction is committed in one partition and aborted in another, so that neither end is right for it. */
  readonly isTorn: boolean;
}

/**
 * Finds out from the other partitions which transactions were committed, where the position topic does not tell: one that is
 * committed in any partition, Kafka had decided to commit. So were those before it, since a producer begins a transaction when the
 * one before it is committed.
 *
 * @param records of the position topic, in order, of one producer since it was given its epoch
 * @param existing the partitions that exist, as {@link keyOf}
 * @throws what kafkajs throws
 */
export async function findEvidence(
  kafka: Kafka,
  records: readonly FetchedRecord[],
  existing: ReadonlySet<string>,
): Promise<Evidence> {
  const readers = { written: new Fetcher(kafka, 'uncommitted'), committed: new Fetcher(kafka) };
  let isTorn = false;
  try {
    await Promise.all([readers.written.connect(), readers.committed.connect()]);
    // What a transaction wrote behind its position belongs to it.
    for (let end = records.length, at = end - 1; at >= 0; at -= 1) {
      const position = records[at] as FetchedRecord;
      if (!namesPartitions(position)) continue;
      const { producerId } = position.batchContext;
      const places = writtenPlaces(position).filter((place) => existing.has(keyOf(place)));
      const seen = await Promise.all(places.map((place) => look(readers, producerId, place)));
      const verdict = verdictOf(seen);
      if (verdict === 'committed') return { committed: end, isTorn };
      isTorn ||= verdict === 'torn';
      end = at;
    }
    return { committed: 0, isTorn };
  } finally {
    await Promise.all([readers.written.disconnect(), readers.committed.disconnect()]);
  }
}

/** What the partitions of one transaction show together. */
export function verdictOf(seen: readonly Seen[]): 'committed' | 'torn' | 'unproven' {
  if (!seen.includes('committed')) return 'unproven';
  return seen.includes('aborted') || seen.includes('missing') ? 'torn' : 'committed';
}

interface Readers {
  readonly written: Fetcher;
  readonly committed: Fetcher;
}

async function look(readers: Readers, producerId: string, { topic, partition, last }: WrittenPlace): Promise<Seen> {
  if (last === undefined) return 'unknown';
  try {
    const offset = await find(readers.written, { topic, partition, last }, producerId);
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

async function find(
  fetcher: Fetcher,
  { topic, partition, last }: WrittenPlace & { readonly last: LastRecord },
  producerId: string,
): Promise<bigint | Seen> {
  let next = await fetcher.offsetSince(topic, partition, last.timestamp);
  // Only what is before the last stable offset is looked at for its time, so it may be behind that.
  if (next === undefined) return 'unknown';
  for (let page = 0; page < PAGES; page += 1) {
    const fetched = await fetcher.fetch(topic, partition, next, 0, PAGE_BYTES);
    const found = fetched.records.find((record) => {
      if (record.batchContext.producerId !== producerId) return false;
      const { epoch, sequence } = sequenced(record);
      return epoch === last.epoch && sequence === last.sequence;
    });
    if (found) return BigInt(found.offset);
    if (fetched.next <= next) return 'missing';
    next = fetched.next;
  }
  return 'unknown';
}

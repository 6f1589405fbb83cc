import type { FetchedRecord } from './fetch.ts';
import { type Place, type ProducerIdentity, type RecordBatch, SEQUENCES } from './record-batch.ts';

/** What each position record says of its transaction, in headers. Pure. */

/** As JSON, the partition of each topic that the transaction wrote to. */
const PARTITIONS_HEADER = 'partitions';
/** As JSON, the last record in each of them. Positions that an older sidecar has written do not have it. */
const LAST_HEADER = 'last';
/** On each record that a take-over has written again. */
const AGAIN_HEADER = 'again';

/** How a partition knows a producer's record. */
export interface Sequenced {
  readonly epoch: number;
  readonly sequence: number;
}

/** The last record that a transaction has written to a partition. */
export interface LastRecord extends Sequenced {
  /** In milliseconds since 1970. */
  readonly timestamp: number;
}

/** A partition that a transaction wrote to. */
export interface WrittenPlace extends Place {
  readonly last: LastRecord | undefined;
}

/** @param batches of the transaction, sealed, without the position's */
export function transactionHeaders(
  { producerEpoch }: Pick<ProducerIdentity, 'producerEpoch'>,
  batches: readonly Pick<RecordBatch, 'topic' | 'partition' | 'lastSequence' | 'timestamp'>[],
): Readonly<Record<string, string>> {
  const partitions = batches.map(({ topic, partition }) => [topic, partition]);
  // Those of a partition are in their order, so the last one counts.
  const last = batches.map(({ topic, lastSequence, timestamp }) => [topic, [lastSequence, timestamp]]);
  return {
    [PARTITIONS_HEADER]: JSON.stringify(Object.fromEntries(partitions)),
    [LAST_HEADER]: JSON.stringify({ epoch: producerEpoch, last: Object.fromEntries(last) }),
  };
}

/**
 * The headers of a position that is written again in place of all those of a session up to it: where any of them wrote, since only
 * the newest position is looked at (unfinished-commit.ts).
 *
 * @param positions in their order
 */
export function joinedHeaders(positions: readonly FetchedRecord[]): Readonly<Record<string, string>> {
  const places = positions.flatMap(writtenPlaces);
  const partitions = places.map(({ topic, partition }) => [topic, partition]);
  const known = places.flatMap(({ topic, last }) => (last === undefined ? [] : [{ topic, ...last }]));
  const last = known.map(({ topic, sequence, timestamp }) => [topic, [sequence, timestamp]]);
  const [{ epoch } = { epoch: undefined }] = known;
  return {
    ...writtenAgain({}),
    [PARTITIONS_HEADER]: JSON.stringify(Object.fromEntries(partitions)),
    ...(epoch !== undefined && { [LAST_HEADER]: JSON.stringify({ epoch, last: Object.fromEntries(last) }) }),
  };
}

/** The headers of another record that is written again. */
export function writtenAgain(headers: FetchedRecord['headers']): Readonly<Record<string, string>> {
  const texts = Object.entries(headers).map(([name, bytes]) => [name, bytes.toString('utf8')]);
  return { ...Object.fromEntries(texts), [AGAIN_HEADER]: '1' };
}

/** Whether a take-over has written a record again. */
export function isWrittenAgain({ headers }: FetchedRecord): boolean {
  return headers[AGAIN_HEADER] !== undefined;
}

/** Whether a record of a position topic is a position, and says where its transaction wrote. */
export function namesPartitions({ headers }: FetchedRecord): boolean {
  return headers[PARTITIONS_HEADER] !== undefined;
}

/** Where the transaction of a position wrote, apart from the position topic. */
export function writtenPlaces({ headers }: FetchedRecord): readonly WrittenPlace[] {
  const partitions = read<Record<string, number>>(headers[PARTITIONS_HEADER]) ?? {};
  const found = read<{ epoch: number; last: Record<string, [number, number]> }>(headers[LAST_HEADER]);
  return Object.entries(partitions).map(([topic, partition]) => {
    const [sequence, timestamp] = found?.last[topic] ?? [];
    if (found === undefined || sequence === undefined || timestamp === undefined) {
      return { topic, partition, last: undefined };
    }
    return { topic, partition, last: { epoch: found.epoch, sequence, timestamp } };
  });
}

function read<Value>(header: Buffer | undefined): Value | undefined {
  return header === undefined ? undefined : (JSON.parse(header.toString('utf8')) as Value);
}

/** As the partition knows a record that was fetched. */
export function sequenced({ offset, batchContext }: FetchedRecord): Sequenced {
  const { producerEpoch: epoch, firstSequence, firstOffset } = batchContext;
  return { epoch, sequence: (firstSequence + Number(BigInt(offset) - BigInt(firstOffset))) % SEQUENCES };
}

/** Whether a producer wrote a record no later than another one to the same partition. */
export function isUpTo(record: Sequenced, last: Sequenced): boolean {
  if (record.epoch !== last.epoch) return record.epoch < last.epoch;
  // The numbers begin again at 0.
  return (last.sequence - record.sequence + SEQUENCES) % SEQUENCES < SEQUENCES / 2;
}

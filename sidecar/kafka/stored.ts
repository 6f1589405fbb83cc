import { TransientError } from '../../common/errors.ts';
import { REDRIVEN_PREFIX } from '../replay/redriven.ts';
import { protocolError } from './errors.ts';
import { type Fetched, type FetchedRecord, type Fetcher, PAGE_BYTES } from './fetch.ts';
import { POSITION_KEY } from './writer.ts';

const POLL_MS = 50;
/** How long a broker that has just become the leader may not know what is committed. It asks the others twice a second. */
const BEHIND_DEADLINE_MS = 10_000;
/** Where the newest position is looked for first: it is among the last few records, unless many transactions were aborted. */
const TAIL_OFFSETS = 100n;
/** Where the position is not in one part, the part before it is so many times as long. */
const GROWTH = 4n;

/** What a position topic holds. */
export interface Stored {
  /** The newest record of the position. */
  readonly newest: FetchedRecord | undefined;
  /** Of a redrive: the newest value of each mark. All of them only where they were asked for. */
  readonly marks: ReadonlyMap<string, string>;
}

/** A part of a position topic, by offsets: from the first to before the second. */
export interface Range {
  readonly from: bigint;
  readonly to: bigint;
}

export interface ReadOptions {
  /** Whether the marks are wanted. They can be anywhere, so all of the topic is read. */
  readonly marks: boolean;
  /** How long to wait for the end of a transaction that is open in the topic. */
  readonly stableMs: number;
}

/**
 * Reads what was committed in a position topic.
 *
 * The position is looked for from the end backwards. Compaction leaves one position, and the marker of each commit for
 * `delete.retention.ms` and longer: millions of them at 50 transactions a second and Kafka's default of a day.
 *
 * @param range all of the topic, up to its end as {@link TransactionalWriter.markEnd} tells it
 * @throws OpenTransactionError, TransientError where the broker is behind, and what kafkajs throws
 */
export async function readStored(
  fetcher: Fetcher,
  topic: string,
  { from: first, to: end }: Range,
  { marks, stableMs }: ReadOptions,
): Promise<Stored> {
  let length = marks ? end - first : TAIL_OFFSETS;
  for (let to = end; ; length *= GROWTH) {
    const from = to - length > first ? to - length : first;
    const stored = await readPart(fetcher, topic, { from, to }, stableMs);
    if (stored.newest !== undefined || from === first) return stored;
    to = from;
  }
}

/** Thrown while a transaction is open in a position topic: one that begins at `from`, before the end at `to`. */
export class OpenTransactionError extends TransientError {
  readonly from: bigint;
  readonly to: bigint;

  constructor(topic: string, { from, to }: Range) {
    super(
      'KafkaUnavailable',
      `a transaction that is not ours is open in ${topic}; waiting for its end. If it does not end, ` +
        'kafka-transactions.sh find-hanging shows whose it is',
    );
    this.from = from;
    this.to = to;
  }
}

async function readPart(fetcher: Fetcher, topic: string, { from, to }: Range, stableMs: number): Promise<Stored> {
  const started = performance.now();
  let newest: FetchedRecord | undefined;
  const marks = new Map<string, string>();
  for (let next = from; next < to; ) {
    const fetched = await fetchKnown(fetcher, topic, next);
    newest = fetched?.records.findLast(({ key }) => key?.toString('utf8') === POSITION_KEY) ?? newest;
    noteMarks(marks, fetched?.records ?? []);
    if (fetched !== undefined && fetched.next > next) {
      ({ next } = fetched);
      continue;
    }
    const isBehind = fetched === undefined || fetched.highWatermark < to;
    if (performance.now() - started >= (isBehind ? BEHIND_DEADLINE_MS : stableMs)) {
      // The open transaction can begin before the part that is read.
      throw isBehind
        ? brokerIsBehind(topic)
        : new OpenTransactionError(topic, { from: min(next, fetched.lastStable), to });
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return { newest, marks };
}

/** @returns undefined where the broker does not have the offset yet */
async function fetchKnown(fetcher: Fetcher, topic: string, from: bigint): Promise<Fetched | undefined> {
  try {
    return await fetcher.fetch(topic, 0, from, 0, PAGE_BYTES);
  } catch (error) {
    if (protocolError(error)?.type === 'OFFSET_OUT_OF_RANGE') return undefined;
    throw error;
  }
}

function noteMarks(marks: Map<string, string>, records: readonly FetchedRecord[]): void {
  for (const { key, value } of records) {
    const name = key?.toString('utf8') ?? '';
    if (!name.startsWith(REDRIVEN_PREFIX)) continue;
    if (value === null) marks.delete(name);
    else marks.set(name, value.toString('utf8'));
  }
}

function brokerIsBehind(topic: string): Error {
  return new TransientError(
    'KafkaUnavailable',
    `the broker that leads ${topic} does not have yet what was written there`,
  );
}

function min(one: bigint, other: bigint): bigint {
  return one < other ? one : other;
}

import { SYNC_TOPIC } from '../../common/contract/names.ts';
import type { Fetched } from './fetch.ts';

/** What to say while somebody's open transaction keeps records of LFH_SYNC from being read. Pure; times are in milliseconds. */

/** Longer than a transaction of Kafka's own clients stays open by default. */
const HELD_UP_MS = 60_000;

/** The oldest transaction that is open in a partition. */
export interface OpenTransaction {
  /** Where it begins. Nothing from there on can be read. */
  readonly at: bigint;
  /** When it was seen first. */
  readonly since: number;
}

/** @param before what was open at the fetch before: as long as it is the same, it is open since then */
export function openAt(
  { lastStable, highWatermark }: Pick<Fetched, 'lastStable' | 'highWatermark'>,
  before: OpenTransaction | undefined,
  now: number,
): OpenTransaction | undefined {
  if (lastStable >= highWatermark) return undefined;
  return before?.at === lastStable ? before : { at: lastStable, since: now };
}

/**
 * @param waiting partitions whose next record is in or behind an open transaction
 * @returns for a person; undefined where none has been open for long
 */
export function heldUp(
  waiting: readonly { readonly partition: number; readonly open: OpenTransaction }[],
  now: number,
): string | undefined {
  const places = waiting
    .filter(({ open }) => now - open.since >= HELD_UP_MS)
    .map(({ partition, open }) => `partition ${partition} from offset ${open.at} on`);
  if (places.length === 0) return undefined;
  return (
    `what is in ${places.join(' and ')} of ${SYNC_TOPIC} waits: somebody has had a transaction open there for more than ` +
    `${HELD_UP_MS / 1000} s, and nothing behind it can be read before it ends. Kafka ends it at its transaction.timeout.ms; ` +
    'where it does not, kafka-transactions.sh find-hanging shows whose it is'
  );
}

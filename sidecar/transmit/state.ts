/**
 * How far LFH_SYNC was transmitted to one FHIR server, and what waits for another attempt: the value of the record in the
 * server's position topic. It is written in the transaction of the records that it counts. Nothing else decides what is
 * transmitted next.
 */
export interface TransmitState {
  /** For each partition of LFH_SYNC, the offset of the next record to look at. */
  readonly offsets: Readonly<Record<string, string>>;
  /**
   * For each partition from which something was taken, when the last record that was taken was written, in milliseconds since 1970.
   * Earlier sidecars write none.
   */
  readonly times?: Readonly<Record<string, number>> | undefined;
  /** In the order in which they came; those with the same key are transmitted in this order. */
  readonly pending: readonly Pending[];
}

/**
 * Whose fault it is that the server failed for a resource, which did not fail as a whole. `open`: it has taken none since. `passed`:
 * it has taken others since. `own`: then it has failed for this one again while it took others, so it is the resource's own fault.
 */
export type Fault = 'open' | 'passed' | 'own';
const FAULTS: readonly unknown[] = ['open', 'passed', 'own'] satisfies Fault[];

/** Whether the server has failed for it, and has taken others since. */
export function isSuspect({ fault }: Pick<Pending, 'fault'>): boolean {
  return fault === 'passed' || fault === 'own';
}

/** A resource that waits in RETRANSMIT. */
export interface Pending {
  readonly partition: number;
  readonly offset: string;
  readonly uuid: string;
  /** `Patient/1`: what has the same key stays in order. null: nothing has. */
  readonly key: string | null;
  /** The sync name of the node that the message is from. Absent where an earlier version has written it. */
  readonly sender?: string;
  /** How often it was tried. */
  readonly attempts: number;
  /** Whose fault it is that the server failed for it. Absent: it was not tried, or nothing is known of it. */
  readonly fault?: Fault;
  /** When it was replayed, in milliseconds since 1970. */
  readonly since: number;
  /** Not before this time, in milliseconds since 1970; 0: as soon as the server answers and what precedes it is done. */
  readonly notBefore: number;
}

/**
 * So many wait for one server, and a few with which it is asked whether it still fails. Beyond that nothing more is read from
 * LFH_SYNC for it, where everything is kept as well. So a server that is down for long needs no more memory than one that is up.
 */
export const MAX_PENDING = 400;

/** The record's value. JSON, so that an administrator can read it with any Kafka tool. */
export function encodeState(state: TransmitState): string {
  return JSON.stringify(state);
}

/**
 * Reads a record's value back.
 * @returns undefined when it is not a state, which must stop the transmission
 */
export function decodeState(value: string): TransmitState | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(value);
  } catch {
    return undefined;
  }
  return isState(parsed) ? parsed : undefined;
}

function isState(value: unknown): value is TransmitState {
  if (typeof value !== 'object' || value === null) return false;
  const { offsets, times, pending } = value as Record<string, unknown>;
  return (
    isTimes(times) &&
    typeof offsets === 'object' &&
    offsets !== null &&
    Object.entries(offsets).every(([partition, offset]) => /^\d+$/.test(partition) && isOffset(offset)) &&
    Array.isArray(pending) &&
    pending.every(isPending)
  );
}

function isTimes(value: unknown): boolean {
  if (value === undefined) return true;
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).every(([partition, time]) => /^\d+$/.test(partition) && Number.isSafeInteger(time));
}

function isPending(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { offset, uuid, key, sender, fault, ...numbers } = value as Record<string, unknown>;
  const { partition, attempts, since, notBefore } = numbers;
  return (
    isOffset(offset) &&
    typeof uuid === 'string' &&
    (key === null || typeof key === 'string') &&
    (sender === undefined || typeof sender === 'string') &&
    (fault === undefined || FAULTS.includes(fault)) &&
    [partition, attempts, since, notBefore].every((n) => Number.isSafeInteger(n) && (n as number) >= 0)
  );
}

function isOffset(value: unknown): boolean {
  return typeof value === 'string' && /^\d{1,19}$/.test(value);
}

/** The outcome for one direction of a peer, as a condition has it. */
interface Verdict<Status, Reason> {
  readonly status: Status;
  readonly reason: Reason;
  readonly message: string;
}

/** How far a direction had got when it last moved. Only the time since then shows a standstill. */
export interface Progress {
  readonly mark: number;
  /** In milliseconds since 1970. */
  readonly since: number;
}

/**
 * A direction in which nothing has moved for this long stands still. A peer that is connected pulls every few seconds.
 */
export const STANDSTILL_MS = 60_000;

/**
 * Whoever has not taken up by then what was written for it does not do so by itself. A mounted ConfigMap is late by a minute at
 * most, and then it takes a server or a sidecar seconds.
 */
export const MOUNTED_AFTER_MS = 120_000;

export function ok<Reason extends string>(reason: Reason, message: string): Verdict<'True', Reason> {
  return { status: 'True', reason, message };
}

export function no<Reason extends string>(reason: Reason, message: string): Verdict<'False', Reason> {
  return { status: 'False', reason, message };
}

export function unknown<Reason extends string>(reason: Reason, message: string): Verdict<'Unknown', Reason> {
  return { status: 'Unknown', reason, message };
}

/** For how long a direction has not moved, in milliseconds; 0 where that is not known. */
export function since(progress: Progress | undefined, now: number): number {
  return progress ? now - progress.since : 0;
}

/** What is said of one direction of a peer. */
interface Verdict<Status, Reason> {
  readonly status: Status;
  readonly reason: Reason;
  readonly message: string;
}

/** How far a direction had got when it last moved; only time can tell a standstill. */
export interface Progress {
  readonly mark: number;
  /** In milliseconds since 1970. */
  readonly since: number;
}

/** Messages wait, or nobody asks for any, and nothing has moved for this long. A peer that is there pulls every few seconds. */
export const STANDSTILL_MS = 60_000;

export function ok<Reason extends string>(reason: Reason, message: string): Verdict<'True', Reason> {
  return { status: 'True', reason, message };
}

export function no<Reason extends string>(reason: Reason, message: string): Verdict<'False', Reason> {
  return { status: 'False', reason, message };
}

export function unknown<Reason extends string>(reason: Reason, message: string): Verdict<'Unknown', Reason> {
  return { status: 'Unknown', reason, message };
}

/** For how long it has not moved, in milliseconds; 0 where that is not known. */
export function since(progress: Progress | undefined, now: number): number {
  return progress ? now - progress.since : 0;
}

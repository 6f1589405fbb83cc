import type { Condition } from '../api/conditions.ts';
import type { ConditionType } from '../api/reasons.ts';

/** What a person should notice in `kubectl describe`: a condition that became something else. */
export interface Notice {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly action: string;
  readonly note: string;
}

/** The API server refuses an event with more than 1,024, and counts bytes. */
const NOTE_BYTES = 1000;

/** Those that only repeat the others; and for Stalled it is True that is not well. */
const REPEATING: ReadonlySet<string> = new Set(['Ready', 'Reconciling', 'Stalled'] satisfies ConditionType[]);

/** One notice for each condition whose status or reason has changed. */
export function noticesOf(before: readonly Condition[], after: readonly Condition[]): Notice[] {
  return after
    .filter(({ type }) => !REPEATING.has(type))
    .filter(({ type, status, reason }) => {
      const known = before.find((condition) => condition.type === type);
      return known?.status !== status || known.reason !== reason;
    })
    .filter(({ status, reason }) => status !== 'Unknown' && reason !== 'NotRequested')
    .map(({ type, status, reason, message }) => ({
      type: status === 'True' ? 'Normal' : 'Warning',
      reason,
      action: type,
      note: Buffer.from(message).subarray(0, NOTE_BYTES).toString(),
    }));
}

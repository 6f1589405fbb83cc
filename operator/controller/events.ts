import type { Condition } from '../api/conditions.ts';

/** What a person should notice in `kubectl describe`: a condition that became something else. */
export interface Notice {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly action: string;
  readonly note: string;
}

const NOTE_LENGTH = 1000;

/** They only repeat the others. */
const ECHOES: readonly string[] = ['Ready', 'Reconciling', 'Stalled'];

/** One notice for each condition whose status or reason has changed. */
export function noticesOf(before: readonly Condition[], after: readonly Condition[]): Notice[] {
  return after
    .filter(({ type }) => !ECHOES.includes(type))
    .filter(({ type, status, reason }) => {
      const known = before.find((condition) => condition.type === type);
      return known?.status !== status || known.reason !== reason;
    })
    .filter(({ status, reason }) => status !== 'Unknown' && reason !== 'NotRequested')
    .map(({ type, status, reason, message }) => ({
      type: status === 'True' ? 'Normal' : 'Warning',
      reason,
      action: type,
      note: message.slice(0, NOTE_LENGTH),
    }));
}

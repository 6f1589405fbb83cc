import type { Condition } from '../../operator/api/conditions.ts';

/** Those that repeat what another condition says. */
const REPEATS: ReadonlySet<string> = new Set(['Ready', 'Reconciling', 'Stalled']);

/** The conditions that say something else than before, a line each, for somebody who waits. */
export function conditionChanges(before: readonly Condition[] = [], after: readonly Condition[] = []): string[] {
  return after
    .filter(({ type }) => !REPEATS.has(type))
    .filter(({ type, status, reason }) => {
      const known = before.find((condition) => condition.type === type);
      return known?.status !== status || known.reason !== reason;
    })
    .map(({ type, status, reason, message }) => `${type} is ${status}, ${reason}: ${message}`);
}

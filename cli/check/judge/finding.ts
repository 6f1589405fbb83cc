import type { CheckId } from './checks.ts';

/**
 * - `Fine`: it was looked at, and holds.
 * - `Warning`: all works, and a person should think about it.
 * - `Failed`: it does not hold.
 * - `Unknown`: it could not be looked at. This is never taken for fine.
 */
export type Outcome = 'Fine' | 'Warning' | 'Failed' | 'Unknown';

/** What one check has found about one thing. */
export interface Finding {
  readonly check: CheckId;
  readonly outcome: Outcome;
  /** For a person: what was seen, and where. It never quotes what stands in a Secret. */
  readonly message: string;
  /** What it is about, where there are several: `lfhpeer/hospital-b`. */
  readonly about?: string;
  /** More exact than the hint of the check. */
  readonly hint?: string;
}

export const fine = (check: CheckId, message: string): Finding => ({ check, outcome: 'Fine', message });
export const warning = (check: CheckId, message: string): Finding => ({ check, outcome: 'Warning', message });
export const failed = (check: CheckId, message: string): Finding => ({ check, outcome: 'Failed', message });
export const unknown = (check: CheckId, message: string): Finding => ({ check, outcome: 'Unknown', message });

/** The outcome that stands for several: a failure beats what is not known, and that beats a warning. */
export function worstOf(findings: readonly Finding[]): Outcome {
  const outcomes = new Set(findings.map(({ outcome }) => outcome));
  return (['Failed', 'Unknown', 'Warning'] as const).find((outcome) => outcomes.has(outcome)) ?? 'Fine';
}

/** 0: well, perhaps with warnings; 1: something does not hold; 3: nothing is known to be wrong, and not all could be looked at. */
export function exitCodeOf(findings: readonly Finding[]): 0 | 1 | 3 {
  const worst = worstOf(findings);
  if (worst === 'Failed') return 1;
  return worst === 'Unknown' || findings.length === 0 ? 3 : 0;
}

import type { Condition } from '../../../../../operator/api/types.ts';

/** A way in which a condition comes about. */
export interface ConditionRow {
  readonly what: string;
  readonly conditions: () => readonly Condition[];
  readonly type: Condition['type'];
  readonly status: Condition['status'];
  readonly reason: string;
  readonly says?: RegExp;
}

export type Case<Situation> = readonly [
  what: string,
  status: Condition['status'],
  reason: string,
  situation: Situation,
  says?: RegExp,
];

/** Makes rows of one condition from cases, by what a status says in each situation. */
export function rowsIn<Situation>(conditionsIn: (situation: Situation) => readonly Condition[]) {
  return (type: Condition['type'], cases: readonly Case<Situation>[]): ConditionRow[] =>
    cases.map(([what, status, reason, situation, says]) => ({
      what,
      type,
      status,
      reason,
      conditions: () => conditionsIn(situation),
      ...(says && { says }),
    }));
}

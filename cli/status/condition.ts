import type { Condition } from '../../operator/api/conditions.ts';
import type { EndedBy } from '../../operator/api/reason-entry.ts';
import { type ConditionType, reasonEntry } from '../../operator/api/reasons.ts';

/** What a condition says to a person: how it is, and who has to act. */

/**
 * - `ok`, `not ok`: the condition holds, or does not.
 * - `paused`, `off`: it holds, because nothing is to happen.
 * - `unknown`: nothing recent is known.
 */
export type State = 'ok' | 'paused' | 'off' | 'not ok' | 'unknown';

/** Who ends it: we, the peer's administrator (`them`), nobody since it passes by itself (`wait`); null where nothing is wrong. */
export type Who = 'us' | 'them' | 'wait' | null;

export interface ConditionView {
  readonly state: State;
  /** Empty where the operator has not looked yet. */
  readonly reason: string;
  readonly message: string;
  /** When the status of the condition last changed. */
  readonly since: string | undefined;
  readonly whoActs: Who;
  /** What the reason means and what to do, in the words of docs/api.md; empty where nothing is wrong, or the reason is not known. */
  readonly whatToDo: string;
}

const WHO: Readonly<Record<EndedBy, Who>> = { we: 'us', peer: 'them', passes: 'wait' };
const STATES: Readonly<Record<string, State>> = { Paused: 'paused', NotRequested: 'off' };

export function conditionView(conditions: readonly Condition[] = [], type: ConditionType): ConditionView {
  const found = conditions.find((condition) => condition.type === type);
  if (!found) return NOT_LOOKED_AT;
  const { status, reason, message, lastTransitionTime: since } = found;
  if (status === 'True') {
    return { state: STATES[reason] ?? 'ok', reason, message, since, whoActs: null, whatToDo: '' };
  }
  const entry = reasonEntry(sourceOf(conditions, found), reason);
  // A reason that this version does not know may need anything, so a person should look.
  const endedBy = progressOf(conditions, reason) ?? entry?.endedBy ?? 'we';
  const state = status === 'False' ? 'not ok' : 'unknown';
  return { state, reason, message, since, whoActs: WHO[endedBy], whatToDo: entry?.text ?? '' };
}

const NOT_LOOKED_AT: ConditionView = {
  state: 'unknown',
  reason: '',
  message: 'the operator has not looked at it yet: is it running, and does it look after this namespace?',
  since: undefined,
  whoActs: 'wait',
  whatToDo: '',
};

/** The operator knows more than the table where who can end a reason depends on the case; it says so by these two. */
function progressOf(conditions: readonly Condition[], reason: string): EndedBy | undefined {
  const says = (type: ConditionType): boolean =>
    conditions.some((condition) => condition.type === type && condition.reason === reason);
  if (says('Stalled')) return 'we';
  return says('Reconciling') ? 'passes' : undefined;
}

/** Ready repeats the reason of another condition, in whose table it is explained. */
function sourceOf(conditions: readonly Condition[], { type, reason }: Condition): string {
  if (type !== 'Ready') return type;
  const other = conditions.find((condition) => !SUMMARIES.has(condition.type) && condition.reason === reason);
  return other?.type ?? type;
}

const SUMMARIES: ReadonlySet<string> = new Set(['Ready', 'Reconciling', 'Stalled']);

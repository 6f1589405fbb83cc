import type { ConditionStatus, EndedBy } from './reason-entry.ts';
import { type ConditionType, type ReasonOf, reasonEntry } from './reasons.ts';
import type { Condition } from './types.ts';

/** Conditions of a status, following the Kubernetes API conventions. */

export type { Condition } from './types.ts';

/** A condition before it is compared with the one in the status. The type decides which reasons are allowed. */
export interface ConditionDraft<Type extends ConditionType = ConditionType> {
  readonly type: Type;
  readonly status: ConditionStatus;
  readonly reason: ReasonOf<Type>;
  /** For a person: what is wrong, where, and what to do. It is cut to the length that the API takes. */
  readonly message: string;
  /** Who can end the problem, where that depends on more than the reason; see {@link withProgress}. */
  readonly endedBy?: EndedBy;
}

export interface Observation {
  /** The metadata.generation that was reconciled. */
  readonly generation: number;
  /** In milliseconds since 1970. */
  readonly now: number;
}

/**
 * Matches a seed or a private key. Somebody may have pasted one as the name of a Secret, for example, and the message that there
 * is no such Secret must not repeat it: conditions are read, copied and logged by many.
 */
const SECRETS =
  /S[ACNOUX][A-Z2-7]{56}|-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|$)/g;

/** A text without the seeds and private keys that somebody may have pasted into it. */
export function withoutSecrets(text: string): string {
  return text.replace(SECRETS, '(a secret that is not shown)');
}

/** The API server would refuse the whole status with a longer message. */
const MESSAGE_LENGTH = 32_768;

/**
 * Sets a condition. `lastTransitionTime` is the time when the *status* last changed. A new reason alone does not change it, since
 * people read from it how long something has been broken.
 *
 * @returns the conditions sorted by type; the same array if nothing has changed, so that nothing need be written
 */
export function withCondition(
  conditions: readonly Condition[],
  { type, status, reason, message }: ConditionDraft,
  { generation, now }: Observation,
): readonly Condition[] {
  const known = conditions.find((condition) => condition.type === type);
  const next: Condition = {
    type,
    status,
    reason,
    message: withoutSecrets(message).slice(0, MESSAGE_LENGTH),
    observedGeneration: generation,
    lastTransitionTime: known?.status === status ? known.lastTransitionTime : apiTime(now),
  };
  if (known && isSame(known, next)) return conditions;
  return [...withoutCondition(conditions, type), next].sort((a, b) => (a.type < b.type ? -1 : 1));
}

/** Removes a condition; returns the same array if it has no condition of that type. */
export function withoutCondition(conditions: readonly Condition[], type: ConditionType): readonly Condition[] {
  return conditions.some((condition) => condition.type === type)
    ? conditions.filter((condition) => condition.type !== type)
    : conditions;
}

/**
 * Summarizes several conditions in one, as knative's condition sets do: False beats Unknown, Unknown beats True, and the first
 * named wins among equals. A missing condition counts as Unknown, so that the summary is never better than what is known.
 *
 * @returns a draft with the reason and message of the worst condition, which a person should look at first
 */
export function summarize(
  type: 'Ready',
  dependents: readonly ConditionType[],
  conditions: readonly Condition[],
): ConditionDraft<'Ready'> {
  const found = conditionsOf(dependents, conditions);
  const worst = found.find(({ status }) => status === 'False') ?? found.find(({ status }) => status === 'Unknown');
  if (worst) return { type, status: worst.status, reason: worst.reason as ReasonOf<'Ready'>, message: worst.message };
  const missing = dependents.filter((dependent) => !found.some((condition) => condition.type === dependent));
  if (missing.length > 0) {
    return { type, status: 'Unknown', reason: 'Reconciling', message: `${missing.join(', ')}: not looked at yet` };
  }
  return { type, status: 'True', reason: 'AllReady', message: 'everything is as asked for' };
}

/**
 * Sets or removes `Reconciling` and `Stalled`, which kstatus (`kubectl wait`, Flux, Argo CD) reads: Stalled while somebody here
 * has to do something, Reconciling while the problem passes by itself, and neither while the peer's administrator has to do
 * something. An *abnormal-true* condition is removed instead of being set to False.
 *
 * @param endedBy who can end the problem of a condition, where that is not what the table of reasons says
 */
export function withProgress(
  conditions: readonly Condition[],
  dependents: readonly ConditionType[],
  at: Observation,
  endedBy: ReadonlyMap<ConditionType, EndedBy> = new Map(),
): readonly Condition[] {
  const found = conditionsOf(dependents, conditions);
  const isEndedBy =
    (who: EndedBy) =>
    (condition: Condition): boolean =>
      (endedBy.get(condition.type as ConditionType) ?? reasonEntry(condition.type, condition.reason)?.endedBy) === who;
  const stalled = found.find(isEndedBy('we'));
  const passing = found.find(isEndedBy('passes'));
  const withStalled = withEcho(conditions, 'Stalled', stalled, at);
  return withEcho(withStalled, 'Reconciling', stalled ? undefined : passing, at);
}

function withEcho(
  conditions: readonly Condition[],
  type: 'Stalled' | 'Reconciling',
  source: Condition | undefined,
  at: Observation,
): readonly Condition[] {
  if (!source) return withoutCondition(conditions, type);
  const { reason, message } = source;
  return withCondition(conditions, { type, status: 'True', reason: reason as ReasonOf<typeof type>, message }, at);
}

function conditionsOf(types: readonly ConditionType[], conditions: readonly Condition[]): Condition[] {
  return types.flatMap((type) => conditions.find((condition) => condition.type === type) ?? []);
}

function isSame(one: Condition, other: Condition): boolean {
  return (
    one.status === other.status &&
    one.reason === other.reason &&
    one.message === other.message &&
    one.observedGeneration === other.observedGeneration
  );
}

/** A time in the form of Kubernetes, which has whole seconds. */
function apiTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.\d+Z$/, 'Z');
}

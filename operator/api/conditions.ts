import type { ConditionStatus } from './reason-entry.ts';
import { type ConditionType, type ReasonOf, reasonEntry } from './reasons.ts';
import type { Condition } from './types.ts';

/** Conditions of a status, as the Kubernetes API conventions have them. Pure: the time is given. */

export type { Condition } from './types.ts';

/** A condition before it is compared with what the status has; give the type, and only its own reasons are allowed. */
export interface ConditionDraft<Type extends ConditionType = ConditionType> {
  readonly type: Type;
  readonly status: ConditionStatus;
  readonly reason: ReasonOf<Type>;
  /** For a person: what is wrong, where, what to do. Cut where it is longer than the API takes. */
  readonly message: string;
}

export interface Observation {
  /** The metadata.generation that was looked at. */
  readonly generation: number;
  /** In milliseconds since 1970. */
  readonly now: number;
}

/**
 * A seed, or a private key. Whoever pasted one for the name of a Secret, say, is told that there is no such Secret: without
 * the name. Conditions are read, copied and logged by many.
 */
const SECRETS =
  /S[ACNOUX][A-Z2-7]{56}|-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|$)/g;

/** More, and the API server would refuse the whole status. */
const MESSAGE_LENGTH = 32_768;

/**
 * Sets a condition. `lastTransitionTime` is when the *status* last changed, so a new reason alone leaves it as it is:
 * people read from it for how long something has been broken.
 *
 * @returns sorted by type; the very same array where nothing has changed, so that nothing need be written
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
    message: message.replace(SECRETS, '(a secret that is not shown)').slice(0, MESSAGE_LENGTH),
    observedGeneration: generation,
    lastTransitionTime: known?.status === status ? known.lastTransitionTime : apiTime(now),
  };
  if (known && isSame(known, next)) return conditions;
  return [...withoutCondition(conditions, type), next].sort((a, b) => (a.type < b.type ? -1 : 1));
}

/** Removes a condition; the very same array where there is none of that type. */
export function withoutCondition(conditions: readonly Condition[], type: ConditionType): readonly Condition[] {
  return conditions.some((condition) => condition.type === type)
    ? conditions.filter((condition) => condition.type !== type)
    : conditions;
}

/**
 * One condition over several, as knative's condition sets have it: False beats Unknown, Unknown beats True, and the first
 * named wins among equals. One that is not there counts as Unknown: a status is never better than what was looked at.
 *
 * @returns with the reason and message of the worst, which is what a person has to look at first
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
  return { type, status: 'True', reason: 'AllReady', message: 'all is as asked for' };
}

/**
 * Sets or removes `Reconciling` and `Stalled`, which kstatus (`kubectl wait`, Flux, Argo CD) reads: Stalled while somebody
 * has to do something here, Reconciling while what is not ready passes by itself, neither while a peer is awaited. An
 * *abnormal-true* condition that is False says nothing, so it is not there instead.
 */
export function withProgress(
  conditions: readonly Condition[],
  dependents: readonly ConditionType[],
  at: Observation,
): readonly Condition[] {
  const found = conditionsOf(dependents, conditions);
  const stalled = found.find(({ type, reason }) => reasonEntry(type, reason)?.endedBy === 'we');
  const passing = found.find(({ type, reason }) => reasonEntry(type, reason)?.endedBy === 'passes');
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

/** As Kubernetes writes times: whole seconds. */
function apiTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.\d+Z$/, 'Z');
}

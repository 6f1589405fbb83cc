import type { Workload } from '../../api/objects.ts';
import { hasOurRecord, INJECTION_MANAGER, type InjectionRefusal } from './injection.ts';

/** What was last applied to a workload; kept from one reconcile to the next. */
export interface LastApplied {
  readonly uid: string | undefined;
  /** Of the workload after the apply. While it is the same, what was applied is still there. */
  readonly generation: number | undefined;
  readonly text: string;
  /** When it was applied again after somebody had taken it out, in milliseconds since 1970. */
  readonly restored: readonly number[];
}

/**
 * Whether an apply would change nothing.
 *
 * The generation alone does not say so: somebody who resets the record of who owns which field does not change it.
 *
 * @param text of what is to be applied
 */
export function isUpToDate(text: string, { metadata }: Workload, last: LastApplied | undefined): boolean {
  const { uid, generation } = metadata;
  return hasOurRecord(metadata) && last?.uid === uid && last?.generation === generation && last?.text === text;
}

/**
 * What to remember after an apply.
 *
 * @param text that was applied
 * @param workload before the apply, and as the API server answered it
 * @param now in milliseconds since 1970
 */
export function lastAppliedAfter(
  text: string,
  workload: { readonly before: Workload; readonly after: Workload },
  last: LastApplied | undefined,
  now: number,
): LastApplied {
  const { uid, generation } = workload.after.metadata;
  const isSame = last?.text === text && last.uid === uid;
  const restored = isSame ? recent(last.restored, now) : [];
  if (isSame && generation !== workload.before.metadata.generation) restored.push(now);
  return { uid, generation, text, restored };
}

/** How often within which time somebody may undo the injection before it is not restored: each time replaces connect's pods. */
const RESTORES = 5;
const WINDOW_MS = 10 * 60_000;

/**
 * Why the sidecar is not put back for now: somebody has undone the injection again and again, as a tool does that replaces the
 * whole workload whenever it differs.
 *
 * @param now in milliseconds since 1970
 */
export function undoneTooOften(
  { kind, metadata }: Workload,
  last: LastApplied | undefined,
  now: number,
): InjectionRefusal | undefined {
  if (recent(last?.restored ?? [], now).length < RESTORES) return undefined;
  const writers = (metadata.managedFields ?? []).flatMap(({ manager, fieldsV1 }) =>
    manager !== undefined && manager !== INJECTION_MANAGER && fieldsV1?.['f:spec']?.['f:template'] ? [manager] : [],
  );
  const message =
    `the sidecar was taken out of ${kind}/${metadata.name} ${RESTORES} times within ${WINDOW_MS / 60_000} minutes, and is not ` +
    `put back for now; let what manages it (${[...new Set(writers)].join(', ')}) apply it, and not replace it`;
  return { reason: 'Conflict', message };
}

function recent(times: readonly number[], now: number): number[] {
  return times.filter((time) => now - time < WINDOW_MS);
}

import type { ConfigMap, Workload } from '../../api/objects.ts';
import { byAge } from '../observed/age.ts';
import { NODE_LABEL, WORKLOAD_NOTE } from '../observed/names.ts';
import type { NodeObject, References } from '../observed/observed.ts';
import { parseWorkload, workloadRef, workloadText } from '../observed/workload-ref.ts';
import { INJECTION_MANAGER, type InjectionRefusal, injectionOf, isRecorded } from './injection.ts';

/** What became of the sidecar of a node; for its status. */
export interface Injection {
  /** What has it, or is about to get it. */
  readonly workload: string | undefined;
  /** Why nothing is put in. */
  readonly refusal?: InjectionRefusal;
  /** Why no sidecar may be there to report yet. */
  readonly awaited?: string;
}

export interface StepInput {
  readonly node: NodeObject;
  readonly otherNodes: readonly NodeObject[];
  readonly references: References;
  /** Of the sidecar; undefined: the operator was not told. */
  readonly image: string | undefined;
  /** What {@link wantedWorkload} names; undefined: it is not there, or nothing is wanted. */
  readonly workload: Workload | undefined;
  /** Whether what a sidecar needs is there: one without a key or its settings could only fail. */
  readonly mayBegin: boolean;
}

/** What to do in this turn. */
export type Step =
  | { readonly step: 'none'; readonly outcome: Injection }
  | { readonly step: 'takeOut'; readonly workload: string; readonly outcome: Injection }
  | { readonly step: 'putIn'; readonly workload: Workload; readonly spec: object };

/** Name of the workload that a node asks to have injected, `Deployment/connect`; undefined: none. */
export function wantedWorkload({ spec }: Pick<NodeObject, 'spec'>): string | undefined {
  return spec.connect && workloadText(workloadRef(spec.connect.workloadRef, 'Deployment'));
}

/**
 * Decides what a node does about its sidecar. `status.workload` is what it holds: it is written in one turn, and the sidecar
 * put in in the next, so that whatever happens in between it is known where to take it out again.
 */
export function injectionStep(input: StepInput): Step {
  const { node, image, workload, mayBegin } = input;
  const held = node.status?.workload;
  const wanted = wantedWorkload(node);
  const claim = wanted === undefined ? undefined : rivalOf(wanted, node, input.otherNodes);
  const stop = (refusal: InjectionRefusal | undefined): Step => {
    const outcome = { workload: undefined, ...(refusal && { refusal }) };
    return held === undefined ? { step: 'none', outcome } : { step: 'takeOut', workload: held, outcome };
  };
  if (wanted === undefined || (held !== undefined && held !== wanted) || claim) return stop(claim);
  const wait = (outcome: Omit<Injection, 'workload'>, of = held): Step => ({
    step: 'none',
    outcome: { workload: of, ...outcome },
  });
  // What was put in by an operator that knew stays.
  if (image === undefined) return wait({ refusal: NO_IMAGE });
  const injected = injectionOf({ node, image, workload, references: input.references });
  if (injected.refusal) return stop(injected.refusal);
  if (!mayBegin) return wait({});
  if (held === undefined) return wait({ awaited: `the sidecar is being put into ${wanted}` }, wanted);
  return { step: 'putIn', workload: injected.workload, spec: injected.spec };
}

const NO_IMAGE: InjectionRefusal = {
  reason: 'NoImage',
  message: "spec.connect asks for a sidecar, and the operator's setting LFH_SYNC_IMAGE does not say of which image",
};

/**
 * Who else has or may claim the workload; the older node goes on. Whoever has its sidecar in there is waited for: it takes
 * its own out first, so that no two of them ever write the same fields.
 */
function rivalOf(workload: string, node: NodeObject, others: readonly NodeObject[]): InjectionRefusal | undefined {
  const here = others.filter(({ metadata }) => metadata.namespace === node.metadata.namespace);
  const older = here.find((other) => byAge(other, node) < 0 && wantedWorkload(other) === workload);
  const rival = older ?? here.find(({ status }) => status?.workload === workload);
  if (!rival) return undefined;
  const which = `${older ? 'the older ' : ''}LfhSyncNode ${rival.metadata.name}`;
  return {
    reason: 'Conflict',
    message: `${workload} is that of ${which}; give each node its own in spec.connect`,
  };
}

/** What was written to a workload last; kept from turn to turn. */
export interface Written {
  readonly uid: string | undefined;
  /** While it is the same, what was written is still there. */
  readonly generation: number | undefined;
  readonly text: string;
  /** When it was put back after somebody had taken it out, in milliseconds since 1970. */
  readonly restored: readonly number[];
}

/** Whether a write would change nothing. Whoever resets the record of who owns what leaves the generation as it is. */
export function isWritten(text: string, { metadata }: Workload, last: Written | undefined): boolean {
  const { uid, generation } = metadata;
  return isRecorded(metadata) && last?.uid === uid && last?.generation === generation && last?.text === text;
}

/** @param before the workload as it was when it was written; `after`: as the API server answered */
export function written(
  text: string,
  before: Workload,
  after: Workload,
  last: Written | undefined,
  now: number,
): Written {
  const { uid, generation } = after.metadata;
  const isSame = last?.text === text && last.uid === uid;
  const restored = isSame ? recent(last.restored, now) : [];
  if (isSame && generation !== before.metadata.generation) restored.push(now);
  return { uid, generation, text, restored };
}

/** How often in which time somebody may undo it before we stop putting it back: each time connect's pods are replaced. */
const RESTORES = 5;
const WINDOW_MS = 10 * 60_000;

/** Whether somebody undoes it again and again, as a tool does that replaces the whole workload whenever it differs. */
export function foughtOver(
  { kind, metadata }: Workload,
  last: Written | undefined,
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

/**
 * A node that had no turn yet, with the workload that one of its name has held before: it was deleted and made again while
 * nobody looked, and that workload would keep the sidecar for good. Afterwards its status tells.
 *
 * @param nats its ConfigMap for NATS, which outlives it
 */
export function withRecordedWorkload(node: NodeObject, nats: ConfigMap | undefined): NodeObject {
  const { labels, annotations } = nats?.metadata ?? {};
  const noted = labels?.[NODE_LABEL] === node.metadata.name ? annotations?.[WORKLOAD_NOTE] : undefined;
  if (noted === undefined || !parseWorkload(noted) || node.status?.observedGeneration !== undefined) return node;
  return { ...node, status: { ...node.status, workload: noted } };
}

/** Why not every pod of a workload is made of its newest template yet; undefined: they all are, and are available. */
export function awaitedRollout({ kind, metadata, spec, status = {} }: Workload): string | undefined {
  const { replicas = 1 } = spec;
  const { observedGeneration = 0, updatedReplicas = 0, availableReplicas = 0 } = status;
  const name = `${kind}/${metadata.name}`;
  if (observedGeneration < (metadata.generation ?? 0))
    return `${name} has a new pod template; its new pods are awaited`;
  if (replicas === 0) return `${name} has no pods: it is scaled to 0`;
  if (updatedReplicas < replicas) return `${updatedReplicas} of ${replicas} pods of ${name} are new ones`;
  if (availableReplicas < replicas) return `${availableReplicas} of ${replicas} pods of ${name} are available`;
  return undefined;
}

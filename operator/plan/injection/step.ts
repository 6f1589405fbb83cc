import type { ConfigMap, Workload } from '../../api/objects.ts';
import { byAge } from '../observed/age.ts';
import { NODE_LABEL, WORKLOAD_NOTE } from '../observed/names.ts';
import type { NodeObject, References, StoredNode } from '../observed/observed.ts';
import { parseWorkload, workloadRef, workloadText } from '../observed/workload-ref.ts';
import { type InjectionRefusal, injectionOf } from './injection.ts';

/** Where the sidecar of a node is, and why it is not there or not running yet; for the node's status. */
export interface Injection {
  /** The workload that has the sidecar, or is about to get it: `Deployment/connect`. */
  readonly workload: string | undefined;
  /** Why no sidecar is injected. */
  readonly refusal?: InjectionRefusal;
  /** Why there may be no sidecar yet that could report. */
  readonly awaited?: string;
}

export interface StepInput {
  readonly node: NodeObject;
  readonly otherNodes: readonly StoredNode[];
  readonly references: References;
  /** The image of the sidecar; undefined where the operator's settings do not name one. */
  readonly image: string | undefined;
  /** The workload that {@link desiredWorkload} names; undefined where it does not exist, or no injection is asked for. */
  readonly workload: Workload | undefined;
  /** Whether the node has a key and its settings are written: without them a sidecar could only fail. */
  readonly prerequisitesMet: boolean;
}

/** What a reconcile does about the sidecar. */
export type Step =
  | { readonly step: 'none'; readonly outcome: Injection }
  | { readonly step: 'remove'; readonly workload: string; readonly outcome: Injection }
  | { readonly step: 'inject'; readonly workload: Workload; readonly spec: object };

/** The workload that a node's spec asks to have injected, `Deployment/connect`; undefined where it asks for none. */
export function desiredWorkload({ spec }: Pick<StoredNode, 'spec'>): string | undefined {
  return spec.connect && workloadText(workloadRef(spec.connect.workloadRef, 'Deployment'));
}

/**
 * Decides what to do about a node's sidecar. `status.workload` names the workload that has it. The name is written there in one
 * reconcile, and the sidecar is injected in the next one, so that it is always known where the sidecar must be removed.
 */
export function injectionStep(input: StepInput): Step {
  const { node, image, workload, prerequisitesMet } = input;
  const current = node.status?.workload;
  const desired = desiredWorkload(node);
  const conflict = desired === undefined ? undefined : conflictOver(desired, node, input.otherNodes);
  if (desired === undefined || (current !== undefined && current !== desired) || conflict) {
    return removed(current, conflict);
  }
  // A sidecar stays that was injected by an operator whose settings did name the image.
  if (image === undefined) return waiting({ workload: current, refusal: NO_IMAGE });
  const injected = injectionOf({ node, image, workload, references: input.references });
  const { refusal } = injected;
  if (refusal) return refusal.keepsSidecar ? waiting({ workload: current, refusal }) : removed(current, refusal);
  if (!prerequisitesMet) return waiting({ workload: current });
  if (current === undefined) {
    return waiting({ workload: desired, awaited: `the sidecar is being put into ${desired}` });
  }
  return { step: 'inject', workload: injected.workload, spec: injected.spec };
}

function waiting(outcome: Injection): Step {
  return { step: 'none', outcome };
}

/** @param current the workload that has the sidecar, if one has */
function removed(current: string | undefined, refusal: InjectionRefusal | undefined): Step {
  const outcome = { workload: undefined, ...(refusal && { refusal }) };
  return current === undefined ? waiting(outcome) : { step: 'remove', workload: current, outcome };
}

const NO_IMAGE: InjectionRefusal = {
  reason: 'NoImage',
  message: "spec.connect asks for a sidecar, and the operator's setting LFH_SYNC_IMAGE does not say of which image",
};

/**
 * Why a node must not inject into a workload: an older node asks for the same one, or another node's sidecar is still in it. That
 * node removes its sidecar first, so that no two nodes ever write the same fields.
 */
function conflictOver(workload: string, node: NodeObject, others: readonly StoredNode[]): InjectionRefusal | undefined {
  const here = others.filter(({ metadata }) => metadata.namespace === node.metadata.namespace);
  const older = here.find((other) => byAge(other, node) < 0 && desiredWorkload(other) === workload);
  const owner = older ?? here.find(({ status }) => status?.workload === workload);
  if (!owner) return undefined;
  const which = `${older ? 'the older ' : ''}LfhSyncNode ${owner.metadata.name}`;
  return {
    reason: 'Conflict',
    message: `${workload} is that of ${which}; give each node its own in spec.connect`,
  };
}

/**
 * A node that was not reconciled yet, with the workload in its status that an earlier node of the same name left its sidecar in.
 * That node was deleted and made again while the operator was down, and without this the workload would keep the sidecar for good.
 *
 * @param nats the ConfigMap for NATS of a node of that name, which stays when its node is deleted
 */
export function withRecordedWorkload<Node extends StoredNode>(node: Node, nats: ConfigMap | undefined): Node {
  const { labels, annotations } = nats?.metadata ?? {};
  const noted = labels?.[NODE_LABEL] === node.metadata.name ? annotations?.[WORKLOAD_NOTE] : undefined;
  if (noted === undefined || !parseWorkload(noted) || node.status?.observedGeneration !== undefined) return node;
  return { ...node, status: { ...node.status, workload: noted } };
}

/**
 * Why not every pod of a workload is made from its newest template yet.
 *
 * @returns undefined where all of them are, and are available
 */
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

/**
 * Why the new pods of a Deployment cannot be made, or have not become ready within its `progressDeadlineSeconds`, in the words of its
 * ReplicaSet: a LimitRange, a quota or a policy can refuse every pod of a template that the API server has taken.
 *
 * @returns undefined where nothing is refused
 */
export function refusedRollout({ kind, metadata, status = {} }: Workload): string | undefined {
  const { observedGeneration = 0, conditions = [] } = status;
  if (observedGeneration < (metadata.generation ?? 0)) return undefined;
  const failure =
    conditions.find(({ type, status: value }) => type === 'ReplicaFailure' && value === 'True') ??
    conditions.find(({ type, status: value }) => type === 'Progressing' && value === 'False');
  return failure && `${kind}/${metadata.name}: ${failure.message ?? failure.type}`;
}

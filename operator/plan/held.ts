import type { ConfigMap } from '../kube/objects.ts';
import type { NodeObject } from './observed.ts';
import { NODE_LABEL, WORKLOAD_NOTE } from './plan.ts';
import { workloadNamed } from './reload.ts';

/**
 * A node that had no turn yet, with the workload that one of its name has held before: it was deleted and made again while
 * nobody looked, and that workload would keep the sidecar for good. Afterwards its status tells.
 *
 * @param nats its ConfigMap for NATS, which outlives it
 */
export function asHeld(node: NodeObject, nats: ConfigMap | undefined): NodeObject {
  const { labels, annotations } = nats?.metadata ?? {};
  const noted = labels?.[NODE_LABEL] === node.metadata.name ? annotations?.[WORKLOAD_NOTE] : undefined;
  if (noted === undefined || !workloadNamed(noted) || node.status?.observedGeneration !== undefined) return node;
  return { ...node, status: { ...node.status, workload: noted } };
}

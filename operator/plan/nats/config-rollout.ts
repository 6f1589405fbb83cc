import { createHash } from 'node:crypto';
import type { ConfigMap } from '../../api/objects.ts';
import type { NodeObject } from '../observed/observed.ts';
import { nodeSpec } from '../observed/spec.ts';
import { parseWorkload, type WorkloadRef, workloadRef, workloadText } from '../observed/workload-ref.ts';
import { hashOf } from './files.ts';

/** What has to happen so that pods take up what was written for them. */
export interface ConfigRollout {
  readonly workload: WorkloadRef;
  /** Changes with what was written; the value of an annotation. */
  readonly hash: string;
  /**
   * `NudgeKubelet`: a kubelet looks after mounted ConfigMaps once a minute, and at once when the pod changes; an annotation on each
   * pod is such a change. `Restart`: a rolling restart, as `kubectl rollout restart` does it.
   */
  readonly how: 'NudgeKubelet' | 'Restart';
  /** Only a workload that mounts this ConfigMap is meant; absent: the spec of a node names it. */
  readonly mounting?: string;
}

/** Of NATS, where its workload is known and somebody reloads it, and of connect with its sidecars. */
export function plannedRollouts(node: NodeObject, natsHash: string, sidecar: ConfigMap | undefined): ConfigRollout[] {
  const { reload, workload } = nodeSpec(node);
  const rollouts: ConfigRollout[] = [];
  if (workload)
    rollouts.push({ workload, hash: short(natsHash), how: reload === 'Restart' ? 'Restart' : 'NudgeKubelet' });
  const { connect } = node.spec;
  if (connect && sidecar) {
    // In the order that it comes back in from the API server.
    const entries = Object.entries(sidecar.data ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
    const hash = createHash('sha256').update(JSON.stringify(entries)).digest('hex');
    rollouts.push({ workload: workloadRef(connect.workloadRef, 'Deployment'), hash: short(hash), how: 'NudgeKubelet' });
  }
  return rollouts;
}

/** The same for what stands there, where that is not all that was planned. */
export function rolloutsOfWritten(
  node: NodeObject,
  nats: ConfigMap | undefined,
  sidecar: ConfigMap | undefined,
): ConfigRollout[] {
  return nats ? plannedRollouts(node, hashOf(nats.data) ?? '', sidecar) : [];
}

/** How NATS takes up its files, noted beside them for when the node is gone; {@link readRolloutNote} reads it. */
export function rolloutNote(node: NodeObject): string | undefined {
  const [rollout] = plannedRollouts(node, '', undefined);
  const which = rollout && workloadText(rollout.workload);
  // Anything may have been pasted there, and none of that is the name of a workload.
  return rollout && parseWorkload(which) ? `${rollout.how} ${which}` : undefined;
}

/**
 * The note may be anybody's who may write ConfigMaps: it must not make us restart whatever it names.
 *
 * @param configMap with the note
 * @returns undefined for what is no such note: then it is up to the server's own reloader
 */
export function readRolloutNote({ metadata, data }: ConfigMap, note: string | undefined): ConfigRollout | undefined {
  const [, how, which] = /^(NudgeKubelet|Restart) (\S+)$/.exec(note ?? '') ?? [];
  const workload = parseWorkload(which);
  if (!workload) return undefined;
  return { workload, hash: short(hashOf(data) ?? ''), how: how as ConfigRollout['how'], mounting: metadata.name };
}

function short(hash: string): string {
  return hash.slice(0, 12);
}

import { createHash } from 'node:crypto';
import type { ConfigMap } from '../../api/objects.ts';
import { type NodeObject, textsOfAll } from '../observed/observed.ts';
import { nodeSpec } from '../observed/spec.ts';
import { parseWorkload, type WorkloadRef, workloadRef, workloadText } from '../observed/workload-ref.ts';
import { hashOf } from './files.ts';

/** What must happen to a workload so that its pods take up a ConfigMap that was written for them. */
export interface ConfigRollout {
  readonly workload: WorkloadRef;
  /** Changes with the content of the ConfigMap; becomes the value of an annotation. */
  readonly hash: string;
  /**
   * `NudgeKubelet`: a kubelet updates mounted ConfigMaps once a minute, and at once when the pod changes. So each pod gets an
   * annotation. `Restart`: a rolling restart, as `kubectl rollout restart` does it.
   */
  readonly how: 'NudgeKubelet' | 'Restart';
  /** Set where anybody could have named the workload: it is touched only if it mounts this ConfigMap. */
  readonly mounting?: string;
}

/**
 * The rollouts to NATS, where the spec names its workload, and to connect with its sidecars.
 *
 * @param natsHash of the files for NATS
 * @param settings the ConfigMaps that the sidecars mount; empty where there are none yet
 */
export function plannedRollouts(node: NodeObject, natsHash: string, settings: readonly ConfigMap[]): ConfigRollout[] {
  const { reload, workload } = nodeSpec(node);
  const rollouts: ConfigRollout[] = [];
  if (workload)
    rollouts.push({ workload, hash: short(natsHash), how: reload === 'Restart' ? 'Restart' : 'NudgeKubelet' });
  const { connect } = node.spec;
  const texts = textsOfAll(settings);
  if (connect && texts) {
    // The API server returns the keys in another order, and the hash must be the same for both.
    const entries = Object.entries(texts).sort(([a], [b]) => (a < b ? -1 : 1));
    const hash = createHash('sha256').update(JSON.stringify(entries)).digest('hex');
    rollouts.push({ workload: workloadRef(connect.workloadRef, 'Deployment'), hash: short(hash), how: 'NudgeKubelet' });
  }
  return rollouts;
}

/** The rollouts of the ConfigMaps that are in the cluster, for when the planned ones could not all be written. */
export function rolloutsOfWritten(
  node: NodeObject,
  nats: ConfigMap | undefined,
  settings: readonly ConfigMap[],
): ConfigRollout[] {
  return nats ? plannedRollouts(node, hashOf(nats.data) ?? '', settings) : [];
}

/**
 * Notes how NATS takes up its files, for when the node is gone; {@link readRolloutNote} reads it.
 *
 * @returns undefined where the spec names no workload of NATS
 */
export function rolloutNote(node: NodeObject): string | undefined {
  const [rollout] = plannedRollouts(node, '', []);
  const which = rollout && workloadText(rollout.workload);
  // The spec may hold anything that somebody pasted there; only what can be the name of a workload is noted.
  return rollout && parseWorkload(which) ? `${rollout.how} ${which}` : undefined;
}

/**
 * Reads a note of {@link rolloutNote}. Anyone who may write ConfigMaps can have written it, so the rollout is limited to a
 * workload that mounts the ConfigMap.
 *
 * @returns undefined for anything else than such a note: then the server's own reloader takes up the files
 */
export function readRolloutNote({ metadata, data }: ConfigMap, note: string | undefined): ConfigRollout | undefined {
  const [, how, which] = /^(NudgeKubelet|Restart) (\S+)$/.exec(note ?? '') ?? [];
  const workload = parseWorkload(which);
  if (!workload) return undefined;
  return { workload, hash: short(hashOf(data) ?? ''), how: how as ConfigRollout['how'], mounting: metadata.name };
}

/**
 * Whether a ConfigMap comes into force without another attempt at its rollout. A mounted one arrives by itself where the pods were not
 * annotated, but a nats-server that nobody restarts never reads it.
 *
 * @param outcome whether the workload is there and was rolled out; undefined where that was refused or had no answer
 */
export function isInForceAfter({ how }: Pick<ConfigRollout, 'how'>, outcome: boolean | undefined): boolean {
  return how === 'NudgeKubelet' || outcome !== undefined;
}

function short(hash: string): string {
  return hash.slice(0, 12);
}

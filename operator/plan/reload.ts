import { createHash } from 'node:crypto';
import type { ConfigMap } from '../kube/objects.ts';
import { nodeWants, type WorkloadRef, workloadRef } from './defaults.ts';
import { hashOf } from './nats-files.ts';
import type { NodeObject } from './observed.ts';

/** What has to happen so that pods take up what was written for them. */
export interface Arrival {
  readonly workload: WorkloadRef;
  /** Changes with what was written; the value of an annotation. */
  readonly hash: string;
  /**
   * `Look`: a kubelet looks after mounted ConfigMaps once a minute, and at once when the pod changes; an annotation on each
   * pod is such a change. `Restart`: a rolling restart, as `kubectl rollout restart` does it.
   */
  readonly how: 'Look' | 'Restart';
  /** Only a workload that mounts this ConfigMap is meant; absent: the spec of a node names it. */
  readonly mounting?: string;
}

/** Of NATS, where its workload is known and somebody reloads it, and of connect with its sidecars. */
export function arrivalsOf(node: NodeObject, natsHash: string, sidecar: ConfigMap | undefined): Arrival[] {
  const { reload, workload } = nodeWants(node);
  const arrivals: Arrival[] = [];
  if (workload) arrivals.push({ workload, hash: short(natsHash), how: reload === 'Restart' ? 'Restart' : 'Look' });
  const { connect } = node.spec;
  if (connect && sidecar) {
    // In the order that it comes back in from the API server.
    const entries = Object.entries(sidecar.data ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
    const hash = createHash('sha256').update(JSON.stringify(entries)).digest('hex');
    arrivals.push({ workload: workloadRef(connect.workloadRef, 'Deployment'), hash: short(hash), how: 'Look' });
  }
  return arrivals;
}

/** The same for what stands there, where that is not all that was planned. */
export function arrivalsAt(node: NodeObject, nats: ConfigMap | undefined, sidecar: ConfigMap | undefined): Arrival[] {
  return nats ? arrivalsOf(node, hashOf(nats.data) ?? '', sidecar) : [];
}

/** How NATS takes up its files, noted beside them for when the node is gone; {@link arrivalNoted} reads it. */
export function arrivalNote(node: NodeObject): string | undefined {
  const [arrival] = arrivalsOf(node, '', undefined);
  const which = arrival && nameOf(arrival.workload);
  // Anything may have been pasted there, and none of that is the name of a workload.
  return arrival && workloadNamed(which) ? `${arrival.how} ${which}` : undefined;
}

/**
 * The note may be anybody's who may write ConfigMaps: it must not make us restart whatever it names.
 *
 * @param configMap with the note
 * @returns undefined for what is no such note: then it is up to the server's own reloader
 */
export function arrivalNoted({ metadata, data }: ConfigMap, note: string | undefined): Arrival | undefined {
  const [, how, which] = /^(Look|Restart) (\S+)$/.exec(note ?? '') ?? [];
  const workload = workloadNamed(which);
  if (!workload) return undefined;
  return { workload, hash: short(hashOf(data) ?? ''), how: how as Arrival['how'], mounting: metadata.name };
}

/** As the status names it: `StatefulSet/nats`. */
export function nameOf({ kind, name }: WorkloadRef): string {
  return `${kind}/${name}`;
}

/** What {@link nameOf} wrote; undefined for anything else: status and notes may be written by others. */
export function workloadNamed(text = ''): WorkloadRef | undefined {
  const [, kind, name] = /^(DaemonSet|Deployment|StatefulSet)\/([a-z0-9.-]{1,253})$/.exec(text) ?? [];
  return name === undefined ? undefined : { kind: kind as WorkloadRef['kind'], name };
}

function short(hash: string): string {
  return hash.slice(0, 12);
}

import type { Workload } from '../kube/objects.ts';

/** Why not every pod of a workload is made of its newest template yet; undefined: they all are, and are available. */
export function rolloutOf({ kind, metadata, spec, status = {} }: Workload): string | undefined {
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

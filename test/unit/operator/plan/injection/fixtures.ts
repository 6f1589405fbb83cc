import type { ManagedFields, Workload } from '../../../../../operator/api/objects.ts';
import type { NodeObject } from '../../../../../operator/plan/observed/observed.ts';

/** What the tests of this folder are made of. */

export const SUBSCRIBERS = 'NATS_SYNC_SUBSCRIBERS';
export const LFH_ID = 'CONNECT_LFH_ID';

/** A node that asks for the sidecar in `Deployment/connect`, unless `connect` says otherwise; `current` is its status.workload. */
export function node(
  connect: NodeObject['spec']['connect'] | null = { workloadRef: { name: 'connect' } },
  current?: string,
  { name = 'local', age = 1, spec = {} }: { name?: string; age?: number; spec?: object } = {},
): NodeObject {
  return {
    apiVersion: 'sync.linuxforhealth.io/v1alpha1',
    kind: 'LfhSyncNode',
    metadata: { name, namespace: 'lfh', uid: name, creationTimestamp: `2026-11-2${age}T00:00:00Z` },
    spec: {
      lfhId: name,
      nats: { servers: ['tls://nats:4222'] },
      kafka: { brokers: ['kafka:9092'] },
      ...(connect && { connect }),
      ...spec,
    },
    ...(current !== undefined && { status: { workload: current } }),
  };
}

export function workload(
  pod: Partial<Workload['spec']['template']['spec']> = {},
  more: Partial<Workload> = {},
): Workload {
  const { metadata, spec, status } = more;
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'connect', namespace: 'lfh', uid: 'u', resourceVersion: '7', generation: 3, ...metadata },
    spec: { selector: {}, template: { spec: { containers: [{ name: 'connect' }], ...pod } }, ...spec },
    ...(status && { status }),
  };
}

export function metadata(managedFields: readonly ManagedFields[]): Workload['metadata'] {
  return { ...workload().metadata, managedFields };
}

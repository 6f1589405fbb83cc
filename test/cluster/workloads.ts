import type { Cluster } from './cluster.ts';

/** Objects that tests of the cluster apply. */

/** The settings that Pod Security's `restricted` demands of a container, and a root that is not writable. */
export const RESTRICTED = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
};

/** @param kind Job, Deployment or StatefulSet; @param spec fields besides the pod template */
export function workload(kind: string, name: string, podSpec: object, spec: object = {}): object {
  const labels = { app: name };
  const template = { metadata: { labels }, spec: { terminationGracePeriodSeconds: 5, ...podSpec } };
  const selector = kind === 'Job' ? {} : { selector: { matchLabels: labels } };
  const apiVersion = kind === 'Job' ? 'batch/v1' : 'apps/v1';
  return { apiVersion, kind, metadata: { name }, spec: { ...selector, ...spec, template } };
}

/** Resolves when a Job has finished. @returns the output of its container `main` */
export async function finished(cluster: Cluster, namespace: string, job: string): Promise<string> {
  await cluster.kubectl(['wait', '-n', namespace, '--for=condition=complete', `job/${job}`, '--timeout=180s']);
  return (await cluster.kubectl(['logs', '-n', namespace, `job/${job}`, '-c', 'main'])).stdout.trim();
}

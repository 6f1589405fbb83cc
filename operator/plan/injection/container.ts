import type { PodSpec } from '../../api/objects.ts';
import { KAFKA_PASSWORD_FILE, NAMES, PREVIOUS_SEED_FILE, SEED_FILE } from '../observed/names.ts';
import type { NodeObject } from '../observed/observed.ts';
import { sidecarResources } from '../observed/spec.ts';

/** Name of what is put in: of the container, of its volume, and of its port. */
export const SIDECAR = 'lfh-sync';
/** Where the sidecar finds its settings. */
const DIRECTORY = '/etc/lfh-sync';
/** As its setting LFH_SYNC_HTTP_ADDRESS has it. */
const HTTP_PORT = 9877;
/** Any number that is not root's. */
const NOBODY = 65_532;

/**
 * The sidecar as a *native* one (an init container that is restarted always): it starts before connect and ends after it, and
 * a Job or a readiness never waits for it.
 *
 * It has no readiness probe, since a peer's outage must not take connect out of its Service, and no limits unless they are
 * asked for, since a node with many peers needs more. Nothing in it depends on the peers: they come and go without a rollout.
 *
 * @param pod where it goes; a pod that says it is root's is not to make the sidecar root's
 */
export function sidecarContainer(
  image: string,
  node: NodeObject,
  { securityContext }: Pick<PodSpec, 'securityContext'>,
): object {
  return {
    name: SIDECAR,
    image,
    imagePullPolicy: 'IfNotPresent',
    command: ['node', '/app/sidecar/main.js'],
    restartPolicy: 'Always',
    env: [{ name: 'LFH_SYNC_SETTINGS_DIR', value: DIRECTORY }],
    ports: [{ name: SIDECAR, containerPort: HTTP_PORT, protocol: 'TCP' }],
    livenessProbe: {
      httpGet: { path: '/healthz', port: HTTP_PORT },
      periodSeconds: 10,
      timeoutSeconds: 5,
      failureThreshold: 6,
    },
    resources: sidecarResources(node),
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      seccompProfile: { type: 'RuntimeDefault' },
      // Otherwise the image's user counts, or the one that the cluster chooses, as some do.
      ...(securityContext?.runAsUser === 0 && { runAsUser: NOBODY }),
    },
    volumeMounts: [{ name: SIDECAR, mountPath: DIRECTORY, readOnly: true }],
  };
}

/**
 * Settings, CAs and secrets in one directory. All of it is optional: without something a pod of connect would not start,
 * and the sidecar tells what it misses.
 */
export function sidecarVolume({ metadata, spec }: NodeObject): object {
  const { name } = metadata;
  const password = spec.kafka.sasl?.passwordSecretRef;
  const key = (from: string, path: string): object => ({ key: from, path });
  const secrets = [
    {
      name: spec.key?.secretRef?.name ?? NAMES.key(name),
      items: [SEED_FILE, PREVIOUS_SEED_FILE].map((file) => key(file, file)),
    },
    ...(password ? [{ name: password.name, items: [key(password.key ?? 'password', KAFKA_PASSWORD_FILE)] }] : []),
  ];
  const sources = [
    { configMap: { name: NAMES.sidecar(name), optional: true } },
    ...secrets.map((secret) => ({ secret: { ...secret, optional: true } })),
  ];
  return { name: SIDECAR, projected: { sources } };
}

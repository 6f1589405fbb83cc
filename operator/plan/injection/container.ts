import { canonicalFhirUrl } from '../../../common/contract/fhir-servers.ts';
import { encodeSettings } from '../../../common/contract/settings.ts';
import {
  KAFKA_PASSWORD_FILE,
  PREVIOUS_SEED_FILE,
  SECRETS_DIR,
  SEED_FILE,
} from '../../../common/contract/settings-mac.ts';
import { everyAddress } from '../../../common/contract/shapes.ts';
import type { PodSpec } from '../../api/objects.ts';
import { fhirFiles, NAMES } from '../observed/names.ts';
import type { NodeObject } from '../observed/observed.ts';
import { httpPort, sidecarResources } from '../observed/spec.ts';

/** Name of the container, of its volume, and of its port. */
export const SIDECAR = 'lfh-sync';
/** The directory in which the sidecar finds its settings. */
const DIRECTORY = '/etc/lfh-sync';
/** The secrets are in a directory below it. No entry of a ConfigMap can be there, since its name has no slash. */
const SECRETS = 'secrets';
/**
 * Where a container has no limit of memory, Node lets new objects live in 32 MB. With 16 MB a sidecar takes 30 MB less, and with 8 MB
 * it is a tenth slower (2026-11-29, five turns of 100,000 messages each: 268, 237 and 228 MB).
 */
export const NODE_OPTIONS = '--max-semi-space-size=16';
/** The id of a user without rights: any number that is not root's. */
const NOBODY = 65_532;

/**
 * The sidecar's container. It is a *native* sidecar (an init container that is always restarted): it starts before connect and
 * ends after it, and neither a Job nor the pod's readiness waits for it.
 *
 * It has no readiness probe, since a peer's outage must not take connect out of its Service. It has no limits unless the spec asks
 * for them, since a node with many peers needs more. Nothing in it depends on the peers, so they come and go without a rollout.
 *
 * @param pod that the container goes into; if the pod runs as root, the sidecar still does not
 */
export function sidecarContainer(
  image: string,
  node: NodeObject,
  { securityContext }: Pick<PodSpec, 'securityContext'>,
): object {
  const port = httpPort(node);
  // Not in the settings' ConfigMap: container, port and probe change together, or a sidecar would fail the probe of its own pod.
  const http = Object.entries(encodeSettings({ httpAddress: everyAddress(port) }));
  return {
    name: SIDECAR,
    image,
    imagePullPolicy: 'IfNotPresent',
    command: ['node', '/app/sidecar/main.js'],
    restartPolicy: 'Always',
    env: [
      { name: 'LFH_SYNC_SETTINGS_DIR', value: DIRECTORY },
      { name: SECRETS_DIR, value: `${DIRECTORY}/${SECRETS}` },
      { name: 'NODE_OPTIONS', value: NODE_OPTIONS },
      ...http.map(([name, value]) => ({ name, value })),
    ],
    ports: [{ name: SIDECAR, containerPort: port, protocol: 'TCP' }],
    livenessProbe: {
      httpGet: { path: '/healthz', port },
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
      // In any other pod the image's user counts, or the user that the cluster chooses: some clusters do.
      ...(securityContext?.runAsUser === 0 && { runAsUser: NOBODY }),
    },
    volumeMounts: [{ name: SIDECAR, mountPath: DIRECTORY, readOnly: true }],
  };
}

/** A ConfigMap, or some entries of a Secret, as files of the sidecar's directory. */
export type SidecarSource =
  | { readonly configMap: string }
  | { readonly secret: string; readonly items: readonly { readonly key: string; readonly path: string }[] };

/** What one directory with the sidecar's settings, CAs and secrets is made of. Any of it may be missing. */
export function sidecarSources({ metadata, spec }: NodeObject): SidecarSource[] {
  const { name } = metadata;
  const password = spec.kafka.sasl?.passwordSecretRef;
  return [
    ...NAMES.sidecars(name).map((configMap) => ({ configMap })),
    {
      secret: spec.key?.secretRef?.name ?? NAMES.key(name),
      items: [SEED_FILE, PREVIOUS_SEED_FILE].map((file) => secretItem(file, file)),
    },
    ...(password
      ? [{ secret: password.name, items: [secretItem(password.key ?? 'password', KAFKA_PASSWORD_FILE)] }]
      : []),
    ...fhirSecrets(spec),
  ];
}

/**
 * The volume with {@link sidecarSources}. Every source is optional: if a source that is not optional were missing, connect's pod would
 * not start. The sidecar itself reports what is missing.
 */
export function sidecarVolume(node: NodeObject): object {
  const sources = sidecarSources(node).map((source) =>
    'secret' in source
      ? { secret: { name: source.secret, items: source.items, optional: true } }
      : { configMap: { name: source.configMap, optional: true } },
  );
  return { name: SIDECAR, projected: { sources } };
}

/**
 * The Secret of each FHIR server, each of its entries as a file of its own. All three that there may be are named, so that another
 * way to sign in is no change of the pod.
 */
function fhirSecrets({ fhirServers = [] }: NodeObject['spec']): SidecarSource[] {
  return fhirServers.flatMap(({ url, secretRef }) => {
    const known = canonicalFhirUrl(url);
    if (known === undefined || !secretRef) return [];
    const { username, password, token } = fhirFiles(known);
    const items = Object.entries({ username, password, token }).map(([key, file]) => secretItem(key, file));
    return [{ secret: secretRef.name, items }];
  });
}

/** @param key of the Secret's entry */
function secretItem(key: string, file: string): { readonly key: string; readonly path: string } {
  return { key, path: `${SECRETS}/${file}` };
}

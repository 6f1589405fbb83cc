/** The parts of Kubernetes objects that are read or written here, in the form of the API server's JSON. */

export interface Metadata {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
  readonly finalizers?: readonly string[];
  readonly managedFields?: readonly ManagedFields[];
}

/** The fields of an object that one field manager owns: `f:name` is a field, `k:{…}` an entry of a list. */
export interface ManagedFields {
  readonly manager?: string;
  readonly operation?: string;
  /** Empty for the object itself. */
  readonly subresource?: string;
  /** When this manager last changed something, to within a second. */
  readonly time?: string;
  readonly fieldsV1?: FieldSet;
}

export interface FieldSet {
  readonly [step: string]: FieldSet;
}

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Metadata;
}

/** In bytes, of all its values together. Kubernetes takes no larger one. */
export const CONFIG_MAP_BYTES = 1_048_576;

export interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
  /** base64; what is in it is mounted beside {@link data}. */
  readonly binaryData?: Readonly<Record<string, string>>;
  /** The API server takes no change of an immutable one; it can only be deleted. */
  readonly immutable?: boolean;
}

export interface Secret extends KubeObject {
  /** base64 */
  readonly data?: Readonly<Record<string, string>>;
  readonly type?: string;
}

/** A Deployment, StatefulSet or DaemonSet, which makes pods from a template. */
export interface Workload extends KubeObject {
  readonly spec: {
    /** Absent: 1. A DaemonSet does not have this field. */
    readonly replicas?: number;
    readonly selector: { readonly matchLabels?: Readonly<Record<string, string>> };
    readonly template: { readonly metadata?: Partial<Metadata>; readonly spec: PodSpec };
  };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly updatedReplicas?: number;
    readonly availableReplicas?: number;
    /** Only a Deployment has these. */
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[];
  };
}

export interface PodSpec {
  readonly initContainers?: readonly Container[];
  readonly containers: readonly Container[];
  readonly volumes?: readonly Volume[];
  readonly securityContext?: { readonly runAsUser?: number };
}

export interface Volume extends FromConfigMap {
  readonly name: string;
  readonly projected?: { readonly sources?: readonly FromConfigMap[] | null };
  readonly secret?: { readonly secretName?: string; readonly items?: readonly KeyToPath[] };
}

interface FromConfigMap {
  readonly configMap?: { readonly name?: string; readonly items?: readonly KeyToPath[] };
}

/** An entry of a ConfigMap or Secret that is mounted under a name of its own. */
interface KeyToPath {
  readonly key: string;
  readonly path: string;
}

export interface Container {
  readonly name: string;
  readonly image?: string;
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string; readonly subPath?: string }[];
  readonly env?: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: ValueFrom }[];
  readonly envFrom?: readonly {
    readonly prefix?: string;
    readonly configMapRef?: { readonly name?: string };
    readonly secretRef?: { readonly name?: string };
  }[];
}

/** As much of an environment variable's source as we look at. */
interface ValueFrom {
  readonly configMapKeyRef?: { readonly name: string; readonly key: string };
  readonly secretKeyRef?: { readonly name: string; readonly key: string };
  readonly fieldRef?: { readonly fieldPath?: string };
}

export interface Service extends KubeObject {
  readonly spec?: {
    readonly type?: string;
    readonly ports?: readonly { readonly name?: string; readonly port: number; readonly nodePort?: number }[];
    readonly externalIPs?: readonly string[];
    /** `IPv4`, `IPv6` or both; the first is the one of its address. */
    readonly ipFamilies?: readonly string[];
  };
  readonly status?: {
    readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string; readonly hostname?: string }[] };
  };
}

/** Some of the pods behind a Service, with their addresses of one family. */
export interface EndpointSlice extends KubeObject {
  readonly addressType?: string;
  readonly ports?: readonly { readonly name?: string; readonly port?: number }[] | null;
  readonly endpoints?:
    | readonly { readonly addresses: readonly string[]; readonly conditions?: { readonly ready?: boolean } }[]
    | null;
}

export interface Lease extends KubeObject {
  readonly spec?: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
}

/** One step of a JSON patch (RFC 6902). */
export interface JsonPatchStep {
  readonly op: 'add' | 'remove' | 'replace';
  readonly path: string;
  readonly value?: unknown;
}

/** A kind, with the names that paths of the API need. */
export interface Kind {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
}

export const GROUP = 'sync.linuxforhealth.io';
const API_VERSION = `${GROUP}/v1alpha1`;

export const KINDS = {
  node: { apiVersion: API_VERSION, kind: 'LfhSyncNode', plural: 'lfhsyncnodes' },
  peer: { apiVersion: API_VERSION, kind: 'LfhSyncPeer', plural: 'lfhsyncpeers' },
  secret: { apiVersion: 'v1', kind: 'Secret', plural: 'secrets' },
  configMap: { apiVersion: 'v1', kind: 'ConfigMap', plural: 'configmaps' },
  service: { apiVersion: 'v1', kind: 'Service', plural: 'services' },
  endpointSlice: { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', plural: 'endpointslices' },
  pod: { apiVersion: 'v1', kind: 'Pod', plural: 'pods' },
  deployment: { apiVersion: 'apps/v1', kind: 'Deployment', plural: 'deployments' },
  daemonSet: { apiVersion: 'apps/v1', kind: 'DaemonSet', plural: 'daemonsets' },
  statefulSet: { apiVersion: 'apps/v1', kind: 'StatefulSet', plural: 'statefulsets' },
  event: { apiVersion: 'events.k8s.io/v1', kind: 'Event', plural: 'events' },
  lease: { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', plural: 'leases' },
  /** A question that is asked by creating it, and never kept: may I do this? */
  accessReview: {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    plural: 'selfsubjectaccessreviews',
  },
} as const satisfies Record<string, Kind>;

/** The kinds of workloads that a spec may name. */
export const WORKLOADS = {
  DaemonSet: KINDS.daemonSet,
  Deployment: KINDS.deployment,
  StatefulSet: KINDS.statefulSet,
} as const;

const BY_KIND = new Map<string, Kind>(Object.values(KINDS).map((kind) => [kind.kind, kind]));

/** @throws for a kind that is not in {@link KINDS}, which is a bug */
export function kindOf(object: KubeObject): Kind {
  const found = BY_KIND.get(object.kind);
  if (!found) throw new Error(`operator/api/objects.ts does not list the kind ${object.kind}`);
  return found;
}

/** The path `/api/v1/namespaces/<ns>/<plural>[/<name>]`; without a namespace that of the collection in all namespaces. */
export function pathOf(kind: Kind, namespace?: string, name?: string): string {
  const group = kind.apiVersion.includes('/') ? `/apis/${kind.apiVersion}` : `/api/${kind.apiVersion}`;
  const where = namespace === undefined ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  const what = name === undefined ? '' : `/${encodeURIComponent(name)}`;
  return `${group}${where}/${kind.plural}${what}`;
}

/** Whether one of these volumes mounts the ConfigMap. */
export function mountsConfigMap(volumes: readonly Volume[], configMap: string): boolean {
  return volumes.some((volume) =>
    [volume, ...(volume.projected?.sources ?? [])].some((source) => source.configMap?.name === configMap),
  );
}

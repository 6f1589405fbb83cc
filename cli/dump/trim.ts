import { type ConfigMap, type Container, GROUP, type KubeObject, type Workload } from '../../operator/api/objects.ts';
import { SIDECAR } from '../../operator/plan/injection/container.ts';
import { NODE_LABEL } from '../../operator/plan/observed/names.ts';

/** What of the objects of a cluster goes into a support bundle. What is left out is not named, so that nothing new slips in. */

/** One of our own resources or ConfigMaps, without what tools note in its metadata. */
export function ownObject(object: KubeObject): object {
  const { name, namespace, uid, generation, creationTimestamp, deletionTimestamp, labels } = object.metadata;
  return { ...object, metadata: { name, namespace, uid, generation, creationTimestamp, deletionTimestamp, labels } };
}

/** Whether the operator has made a ConfigMap for a node: somebody else may have one of the same name. */
export function isOfNode({ metadata }: ConfigMap, node: string): boolean {
  return metadata.labels?.[NODE_LABEL] === node;
}

/**
 * A workload of somebody else's. The values of its environment, its arguments and its annotations stay away: there may be passwords in
 * them. Of the sidecar, which is ours, everything is there.
 */
export function workloadOutline({ apiVersion, kind, metadata, spec, status }: Workload): object {
  const { containers, initContainers = [], volumes = [] } = spec.template.spec;
  const { name, namespace, generation, creationTimestamp } = metadata;
  return {
    apiVersion,
    kind,
    metadata: { name, namespace, generation, creationTimestamp },
    replicas: spec.replicas,
    initContainers: initContainers.map(containerOutline),
    containers: containers.map(containerOutline),
    volumes: volumes.map((volume) => ({
      name: volume.name,
      configMap: volume.configMap?.name,
      secret: volume.secret?.secretName,
      ...(volume.name === SIDECAR && { projected: volume.projected }),
    })),
    status,
  };
}

function containerOutline(container: Container): object {
  if (container.name === SIDECAR) return container;
  const { name, image, env = [], envFrom, volumeMounts } = container;
  return { name, image, env: env.map((entry) => entry.name), envFrom, volumeMounts };
}

export interface Pod extends KubeObject {
  readonly spec: { readonly nodeName?: string };
  readonly status?: {
    readonly phase?: string;
    readonly conditions?: readonly object[];
    readonly containerStatuses?: readonly ContainerStatus[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
  };
}

interface ContainerStatus {
  readonly name?: string;
  readonly image?: string;
  readonly ready?: boolean;
  readonly restartCount?: number;
  readonly state?: Readonly<Record<string, object>>;
  readonly lastState?: Readonly<Record<string, object>>;
}

/** Without the message with which a container of somebody else's has ended: it may be the end of its log, and so a payload. */
function statusOutline(status: ContainerStatus): object {
  if (status.name === SIDECAR) return status;
  const { name, image, ready, restartCount, state, lastState } = status;
  return { name, image, ready, restartCount, state: withoutMessages(state), lastState: withoutMessages(lastState) };
}

function withoutMessages(state: Readonly<Record<string, object>> = {}): object {
  return Object.fromEntries(
    Object.entries(state).map(([kind, details]) => {
      const { message: _message, ...rest } = details as { readonly message?: unknown };
      return [kind, rest];
    }),
  );
}

/** Whether it runs, what its containers last ended with, and on which machine. */
export function podOutline({
  metadata: { name, namespace, creationTimestamp, deletionTimestamp },
  spec,
  status,
}: Pod): object {
  const { phase, conditions, containerStatuses, initContainerStatuses } = status ?? {};
  const metadata = { name, namespace, creationTimestamp, deletionTimestamp };
  return {
    metadata,
    nodeName: spec.nodeName,
    phase,
    conditions,
    initContainerStatuses: initContainerStatuses?.map(statusOutline),
    containerStatuses: containerStatuses?.map(statusOutline),
  };
}

export interface EventObject extends KubeObject {
  readonly regarding?: { readonly apiVersion?: string; readonly kind?: string; readonly name?: string };
}

/** Whether an event is about one of our resources. */
export function isOurs({ regarding }: EventObject): boolean {
  return regarding?.apiVersion?.startsWith(`${GROUP}/`) === true;
}

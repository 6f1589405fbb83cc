import type { Container, FieldSet, Workload } from '../../api/objects.ts';
import type { NodeObject, References } from '../observed/observed.ts';
import { workloadRef, workloadText } from '../observed/workload-ref.ts';
import { SIDECAR, sidecarContainer, sidecarVolume } from './container.ts';

/** The field manager of everything that is injected. It is used for nothing else, so that all of it can be removed together. */
export const INJECTION_MANAGER = 'lfh-sync-injection';

/** The variable with connect's own subscriptions, which would replay the same messages a second time. */
const SUBSCRIBERS = 'NATS_SYNC_SUBSCRIBERS';
const NONE = '[]';
/** The name of connect's container in connect's own manifests; used where a pod has several containers. */
const CONNECT = 'connect';

export interface InjectionRefusal {
  readonly reason:
    | 'ConnectAlsoSubscribes'
    | 'WorkloadMissing'
    | 'ContainerUnknown'
    | 'Conflict'
    | 'InjectionRefused'
    | 'NoImage'
    | 'PodsRefused';
  readonly message: string;
}

/** What decides whether the sidecar is injected, and how. */
export interface InjectionInput {
  readonly node: NodeObject;
  readonly image: string;
  /** The workload that `spec.connect.workloadRef` names; undefined where it does not exist. */
  readonly workload: Workload | undefined;
  readonly references: References;
}

/** The part of a workload's spec that is applied, with {@link INJECTION_MANAGER}. */
export interface Injected {
  readonly workload: Workload;
  readonly spec: object;
  readonly refusal?: undefined;
}

/**
 * Decides what is injected into a workload: the sidecar with its volume, and an empty list of subscribers for connect itself.
 *
 * The sidecar is applied with force, even if somebody has changed it. connect's container belongs to somebody else: if that container sets
 * NATS_SYNC_SUBSCRIBERS to anything, by `env` or by `envFrom`, nothing is injected at all.
 */
export function injectionOf({
  node,
  image,
  workload,
  references,
}: InjectionInput): Injected | { refusal: InjectionRefusal } {
  const ref = node.spec.connect?.workloadRef ?? { name: '' };
  const name = workloadText(workloadRef(ref, 'Deployment'));
  if (!workload) {
    const message = `spec.connect.workloadRef: there is no ${name} in this namespace`;
    return { refusal: { reason: 'WorkloadMissing', message } };
  }
  const pod = workload.spec.template.spec;
  if (hasForeignSidecar(workload, node.status?.workload === name)) {
    const message = `${name} has a container or volume ${SIDECAR} of its own; take it out, or leave spec.connect out and go on running it yourself`;
    return { refusal: { reason: 'Conflict', message } };
  }
  const connect = connectOf(node, pod.containers, name);
  if ('refusal' in connect) return connect;
  const where = subscribersSource(connect, references);
  if (where !== undefined) {
    const message = `${name}: ${where} of the container ${connect.name} sets ${SUBSCRIBERS}; remove it there`;
    return { refusal: { reason: 'ConnectAlsoSubscribes', message } };
  }
  const spec = {
    initContainers: [sidecarContainer(image, node, pod)],
    containers: [{ name: connect.name, env: [{ name: SUBSCRIBERS, value: NONE }] }],
    volumes: [sidecarVolume(node)],
  };
  return { workload, spec: { template: { spec } } };
}

/**
 * Whether the workload has a container or volume with our name that the operator did not make, such as a sidecar that somebody
 * runs by hand.
 *
 * @param inStatus whether the node's status says that this workload has the sidecar. Then an init container or volume with our name
 *   is ours, no matter who wrote it last.
 */
function hasForeignSidecar({ metadata, spec }: Workload, inStatus: boolean): boolean {
  const { containers, initContainers = [], volumes = [] } = spec.template.spec;
  const isOurs = inStatus || hasOurRecord(metadata);
  const others = isOurs ? containers : [...containers, ...initContainers, ...volumes];
  return others.some(({ name }) => name === SIDECAR);
}

/** Whether the API server still has a record of the fields that we applied. */
export function hasOurRecord({ managedFields = [] }: Workload['metadata']): boolean {
  return managedFields.some(({ manager }) => manager === INJECTION_MANAGER);
}

function connectOf(
  { spec }: NodeObject,
  containers: readonly Container[],
  workload: string,
): Container | { refusal: InjectionRefusal } {
  const named = spec.connect?.container;
  const found =
    containers.length === 1 && named === undefined
      ? containers[0]
      : containers.find(({ name }) => name === (named ?? CONNECT));
  if (found) return found;
  const names = containers.map(({ name }) => name).join(', ');
  const message = `spec.connect.container: ${workload} has no container ${named ?? CONNECT}, but ${names}; say which one is connect's`;
  return { refusal: { reason: 'ContainerUnknown', message } };
}

/**
 * Where a container gets subscribers from, for the message. connect takes the variable's name in upper or lower case. The value is
 * never quoted, since there are passwords in it.
 */
function subscribersSource({ env = [], envFrom = [] }: Container, references: References): string | undefined {
  if (env.some(setsSubscribers)) return 'env';
  const sources = envFrom.flatMap(({ prefix = '', configMapRef, secretRef }) => [
    { prefix, kind: 'ConfigMap', name: configMapRef?.name, read: (name: string) => references.configMap(name) },
    { prefix, kind: 'Secret', name: secretRef?.name, read: (name: string) => references.secret(name) },
  ]);
  const found = sources.find(({ prefix, name, read }) => {
    const texts = name === undefined ? {} : (read(name) ?? {});
    return Object.entries(texts).some(([key, value]) => isSubscribers(prefix + key) && !isEmptyList(value));
  });
  return found && `envFrom (${found.kind} ${found.name})`;
}

function setsSubscribers({ name, value, valueFrom }: NonNullable<Container['env']>[number]): boolean {
  if (!isSubscribers(name)) return false;
  if (valueFrom !== undefined) return true;
  // An entry of exactly our name is merged with the one we apply, so it must have the same value.
  return name === SUBSCRIBERS ? value !== NONE : !isEmptyList(value);
}

function isSubscribers(name: string): boolean {
  return name.toUpperCase() === SUBSCRIBERS;
}

function isEmptyList(value = ''): boolean {
  return /^\s*(\[\s*\]\s*)?$/.test(value);
}

/** Whether a field is among those of a manager. */
export function ownsField(fields: FieldSet | undefined, path: readonly string[]): boolean {
  let at = fields;
  for (const step of path) at = at?.[step];
  return at !== undefined;
}

/** The path of a container's NATS_SYNC_SUBSCRIBERS in the fields of a manager. */
export function subscribersPath(container: string): string[] {
  const entry = (name: string): string => `k:${JSON.stringify({ name })}`;
  return ['f:spec', 'f:template', 'f:spec', 'f:containers', entry(container), 'f:env', entry(SUBSCRIBERS)];
}

/** Whether an entry of a container's environment is the one that we inject. */
export function isOurEntry({ name, value }: { readonly name: string; readonly value?: string }): boolean {
  return name === SUBSCRIBERS && value === NONE;
}

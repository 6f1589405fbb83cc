import type { Container, FieldSet, Workload } from '../../api/objects.ts';
import type { NodeObject, References } from '../observed/observed.ts';
import { workloadRef, workloadText } from '../observed/workload-ref.ts';
import { SIDECAR, sidecarContainer, sidecarVolume } from './container.ts';

/** Who owns what is put into connect's workload: one of its own, so that it can be taken out as a whole. */
export const INJECTION_MANAGER = 'lfh-sync-injection';

/** connect's own subscriptions, which would replay the same messages a second time. */
const SUBSCRIBERS = 'NATS_SYNC_SUBSCRIBERS';
const NONE = '[]';
/** Of connect's container where there are several, as connect's own manifests have it. */
const CONNECT = 'connect';

export interface InjectionRefusal {
  readonly reason:
    | 'ConnectAlsoSubscribes'
    | 'WorkloadMissing'
    | 'ContainerUnknown'
    | 'Conflict'
    | 'InjectionRefused'
    | 'NoImage';
  readonly message: string;
}

/** What decides whether the sidecar is put in, and how. */
export interface InjectionInput {
  readonly node: NodeObject;
  readonly image: string;
  /** What `spec.connect.workloadRef` names; undefined: it is not there. */
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
 * Decides what is put into a workload: the sidecar with its volume, and an empty list of subscribers for connect itself.
 *
 * What is ours is forced, whoever had a hand in it. connect's container is somebody else's: where NATS_SYNC_SUBSCRIBERS
 * says anything in it, by whatever way it gets its environment, nothing is put in at all.
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
  if (hasItsOwn(workload, node.status?.workload === name)) {
    const message = `${name} has a container or volume ${SIDECAR} of its own; take it out, or leave spec.connect out and go on running it yourself`;
    return { refusal: { reason: 'Conflict', message } };
  }
  const connect = connectOf(node, pod.containers, name);
  if ('refusal' in connect) return connect;
  const where = subscribes(connect, references);
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
 * Whether somebody else uses our name, as who runs the sidecar by hand may do.
 *
 * @param held whether it is written down that ours is in there; then what has our name is ours, whoever wrote it last
 */
function hasItsOwn({ metadata, spec }: Workload, held: boolean): boolean {
  const { containers, initContainers = [], volumes = [] } = spec.template.spec;
  const isOurs = held || isRecorded(metadata);
  const others = isOurs ? containers : [...containers, ...initContainers, ...volumes];
  return others.some(({ name }) => name === SIDECAR);
}

/** Whether what we applied is still known as ours. */
export function isRecorded({ managedFields = [] }: Workload['metadata']): boolean {
  return managedFields.some(({ manager }) => manager === INJECTION_MANAGER);
}

function connectOf(
  { spec }: NodeObject,
  containers: readonly Container[],
  workload: string,
): Container | { refusal: InjectionRefusal } {
  const wanted = spec.connect?.container;
  const found =
    containers.length === 1 && wanted === undefined
      ? containers[0]
      : containers.find(({ name }) => name === (wanted ?? CONNECT));
  if (found) return found;
  const names = containers.map(({ name }) => name).join(', ');
  const message = `spec.connect.container: ${workload} has no container ${wanted ?? CONNECT}, but ${names}; say which one is connect's`;
  return { refusal: { reason: 'ContainerUnknown', message } };
}

/** Where a container gets subscribers from. Names in any case, as connect takes them; never with a value. */
function subscribes({ env = [], envFrom = [] }: Container, references: References): string | undefined {
  if (env.some(isUsers)) return 'env';
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

function isUsers({ name, value, valueFrom }: NonNullable<Container['env']>[number]): boolean {
  if (!isSubscribers(name)) return false;
  if (valueFrom !== undefined) return true;
  // Under our very name the API server would have to choose between two values.
  return name === SUBSCRIBERS ? value !== NONE : !isEmptyList(value);
}

function isSubscribers(name: string): boolean {
  return name.toUpperCase() === SUBSCRIBERS;
}

function isEmptyList(value = ''): boolean {
  return /^\s*(\[\s*\]\s*)?$/.test(value);
}

/** Whose entry `path` leads to in the fields of a manager. */
export function owns(fields: FieldSet | undefined, path: readonly string[]): boolean {
  let at = fields;
  for (const step of path) at = at?.[step];
  return at !== undefined;
}

/** Where the fields of a manager have the subscribers of a container. */
export function subscribersPath(container: string): string[] {
  const entry = (name: string): string => `k:${JSON.stringify({ name })}`;
  return ['f:spec', 'f:template', 'f:spec', 'f:containers', entry(container), 'f:env', entry(SUBSCRIBERS)];
}

/** Whether an entry of a container's environment is the one that we put there. */
export function isOurEntry({ name, value }: { readonly name: string; readonly value?: string }): boolean {
  return name === SUBSCRIBERS && value === NONE;
}

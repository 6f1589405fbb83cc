import { isPlainOrigin } from '../../../common/contract/status.ts';
import type { Container, FieldSet, Workload } from '../../api/objects.ts';
import type { NodeObject, References, StoredNode } from '../observed/observed.ts';
import { workloadRef, workloadText } from '../observed/workload-ref.ts';
import { type ConnectSetting, settingsNamed } from './connect-settings.ts';
import { SIDECAR, sidecarContainer, sidecarVolume } from './container.ts';

/** The field manager of everything that is injected. It is used for nothing else, so that all of it can be removed together. */
export const INJECTION_MANAGER = 'lfh-sync-injection';

/** The variable with connect's own subscriptions, which would replay the same messages a second time. */
const SUBSCRIBERS = 'NATS_SYNC_SUBSCRIBERS';
const NONE = '[]';
/** The variable with connect's own id, which is in every message that it announces. */
export const LFH_ID = 'CONNECT_LFH_ID';
/** The name of connect's container in connect's own manifests; used where a pod has several containers. */
const CONNECT = 'connect';

export interface InjectionRefusal {
  readonly reason:
    | 'ConnectAlsoSubscribes'
    | 'LfhIdMismatch'
    | 'WorkloadMissing'
    | 'ContainerUnknown'
    | 'Conflict'
    | 'InjectionRefused'
    | 'NoImage'
    | 'PodsRefused';
  readonly message: string;
  /** Whether a sidecar that is there stays all the same: nothing is known that speaks against it. */
  readonly keepsSidecar?: true;
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
 * Decides what is injected into a workload: the sidecar with its volume, and for connect itself its id and an empty list of
 * subscribers.
 *
 * The sidecar is applied with force, even if somebody has changed it. connect's container belongs to somebody else: if that container sets
 * NATS_SYNC_SUBSCRIBERS to anything, or CONNECT_LFH_ID to another id, by `env` or by `envFrom`, nothing is injected at all.
 */
export function injectionOf(input: InjectionInput): Injected | { refusal: InjectionRefusal } {
  const { node, image, workload } = input;
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
  const connect = connectOf(node, pod.containers);
  if (!connect) return { refusal: containerUnknown(node, pod.containers, name) };
  const refusal = foreignSetting(connect, input, name);
  if (refusal) return { refusal };
  const spec = {
    initContainers: [sidecarContainer(image, node, pod)],
    containers: [{ name: connect.name, env: injectedEntries(connect, input) }],
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

/** Finds connect's container: the one that the spec names, or the only one, or the one that has connect's name. */
export function connectOf({ spec }: StoredNode, containers: readonly Container[]): Container | undefined {
  const named = spec.connect?.container;
  return containers.length === 1 && named === undefined
    ? containers[0]
    : containers.find(({ name }) => name === (named ?? CONNECT));
}

function containerUnknown({ spec }: NodeObject, containers: readonly Container[], workload: string): InjectionRefusal {
  const names = containers.map(({ name }) => name).join(', ');
  const wanted = spec.connect?.container ?? CONNECT;
  const message = `spec.connect.container: ${workload} has no container ${wanted}, but ${names}; say which one is connect's`;
  return { reason: 'ContainerUnknown', message };
}

/** Why connect's container sets a variable to something that we cannot go along with; undefined where it does not. */
function foreignSetting(
  connect: Container,
  { node: { spec }, references }: InjectionInput,
  name: string,
): InjectionRefusal | undefined {
  const unlike = (setting: string, isFine: (found: ConnectSetting) => boolean): ConnectSetting | undefined => {
    const wrong = settingsNamed(connect, references, setting).filter((found) => !isFine(found));
    // What is known to be wrong comes first.
    return wrong.find(({ isMissing }) => !isMissing) ?? wrong[0];
  };
  const missing = ({ where }: ConnectSetting, setting: string): string =>
    `${name}: ${where}, from which the container ${connect.name} has ${setting}, is not there; create it, or take that out`;
  const subscribers = unlike(SUBSCRIBERS, isNone);
  if (subscribers?.isMissing) {
    return { reason: 'ConnectAlsoSubscribes', message: missing(subscribers, SUBSCRIBERS), keepsSidecar: true };
  }
  if (subscribers) {
    // The value is not repeated, since there are passwords in it.
    const message = `${name}: ${subscribers.where} of the container ${connect.name} sets ${SUBSCRIBERS}; remove it there`;
    return { reason: 'ConnectAlsoSubscribes', message };
  }
  const id = unlike(LFH_ID, ({ value }) => value === spec.lfhId);
  if (!id) return undefined;
  if (id.isMissing) return { reason: 'LfhIdMismatch', message: missing(id, LFH_ID), keepsSidecar: true };
  const { value, where, isSecret } = id;
  const other = value !== undefined && !isSecret && isPlainOrigin(value) ? value : 'another id';
  const message =
    `${name}: ${where} of the container ${connect.name} sets ${LFH_ID} to ${other}, and this node is ${spec.lfhId}: peers would ` +
    `reject every message. Remove it there, and lfh-sync sets it; or delete this node, and make one with connect's id`;
  return { reason: 'LfhIdMismatch', message };
}

/** Whether connect is told to subscribe to nobody. An entry of exactly our name is merged with ours, so it must be the same. */
function isNone({ value, isEntry }: ConnectSetting): boolean {
  return isEntry ? value === NONE : value !== undefined && /^\s*(\[\s*\]\s*)?$/.test(value);
}

/**
 * What connect's container is given: nobody to subscribe to, and its id, which a stock connect takes from its pod's name, new
 * with every pod. Where the id comes from elsewhere it is left there.
 */
function injectedEntries(
  connect: Container,
  { node: { spec }, references }: InjectionInput,
): { readonly name: string; readonly value: string }[] {
  const ids = settingsNamed(connect, references, LFH_ID);
  const isOurs = ids.length === 0 || ids.some(({ isEntry, where }) => isEntry && where === 'env');
  return [{ name: SUBSCRIBERS, value: NONE }, ...(isOurs ? [{ name: LFH_ID, value: spec.lfhId }] : [])];
}

/** Whether a field is among those of a manager. */
export function ownsField(fields: FieldSet | undefined, path: readonly string[]): boolean {
  let at = fields;
  for (const step of path) at = at?.[step];
  return at !== undefined;
}

/** The path of an entry of a container's environment in the fields of a manager. */
export function entryPath(container: string, variable: string): string[] {
  const entry = (name: string): string => `k:${JSON.stringify({ name })}`;
  return ['f:spec', 'f:template', 'f:spec', 'f:containers', entry(container), 'f:env', entry(variable)];
}

/** Whether an entry of a container's environment is one that we inject, as far as its value can tell. */
export function mayBeOurEntry({ name, value }: { readonly name: string; readonly value?: string }): boolean {
  return name === LFH_ID || (name === SUBSCRIBERS && value === NONE);
}

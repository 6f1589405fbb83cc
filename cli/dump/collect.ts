import { dump } from 'js-yaml';
import { VERSION } from '../../common/version.ts';
import { withoutSecrets } from '../../operator/api/conditions.ts';
import { type ConfigMap, KINDS, type KubeObject, pathOf, type Workload } from '../../operator/api/objects.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { SIDECAR } from '../../operator/plan/injection/container.ts';
import { NAMES } from '../../operator/plan/observed/names.ts';
import type { StoredNode } from '../../operator/plan/observed/observed.ts';
import { nodeSpec } from '../../operator/plan/observed/spec.ts';
import { type WorkloadRef, workloadRef, workloadText } from '../../operator/plan/observed/workload-ref.ts';
import { checkAfter } from '../check/after.ts';
import type { Looked } from '../check/judge/looked.ts';
import { jsonText } from '../check/judge/render.ts';
import { operatorLease } from '../check/lease.ts';
import { askVersion, lookAt, lookAtWorkload } from '../check/looking.ts';
import { type EventObject, isOfNode, isOurs, ownObject, type Pod, podOutline, workloadOutline } from './trim.ts';

export interface BundleOptions {
  readonly namespace: string;
  readonly operatorNamespace: string | undefined;
  readonly signal: AbortSignal;
  /** Is told what is collected next. */
  readonly tell: (what: string) => void;
}

/** The files of a support bundle, by their names. */
export type Bundle = ReadonlyMap<string, string>;

/**
 * Collects what somebody needs who is to help: our resources, what the operator has made, how connect, NATS and the pods are, events, logs, and
 * what `lfh-sync check` finds. No Secret is read, and nothing is collected that belongs to somebody else but the outline of the
 * workloads.
 *
 * @throws KubeError where the API server does not answer, or does not let one read the nodes
 */
export async function collectBundle(api: KubeClient, options: BundleOptions): Promise<Bundle> {
  const { namespace, operatorNamespace, signal, tell } = options;
  const bundle = new Collected();
  const { version, at } = await askVersion(api);
  bundle.add('README.txt', readme(namespace, at));
  bundle.add('versions.yaml', { kubernetes: version, program: VERSION, node: process.version });
  tell('what lfh-sync check finds');
  const findings = await checkAfter(api, { namespace, node: undefined, operatorNamespace, signal });
  bundle.add('check.json', jsonText(findings));
  const nodes = await lookAt(api.list<StoredNode>(KINDS.node, namespace).then(({ items }) => items));
  const peers = await lookAt(api.list<KubeObject>(KINDS.peer, namespace).then(({ items }) => items));
  for (const node of bundle.have('LfhSyncNodes', nodes) ?? []) {
    bundle.add(`node-${node.metadata.name}.yaml`, ownObject(node));
    tell(`node ${node.metadata.name}`);
    await addNode(api, namespace, node, bundle);
  }
  for (const peer of bundle.have('LfhSyncPeers', peers) ?? [])
    bundle.add(`peer-${peer.metadata.name}.yaml`, ownObject(peer));
  const events = await lookAt(api.list<EventObject>(KINDS.event, namespace).then(({ items }) => items));
  bundle.add('events.yaml', (bundle.have('events', events) ?? []).filter(isOurs).map(ownObject));
  tell('the operator');
  await addOperator(api, namespace, operatorNamespace, bundle);
  bundle.end();
  return bundle.files;
}

class Collected {
  readonly files = new Map<string, string>();
  readonly #missing: string[] = [];

  add(name: string, content: string | object): void {
    const text = typeof content === 'string' ? content : dump(content, { skipInvalid: true, lineWidth: -1 });
    this.files.set(name, withoutSecrets(text));
  }

  /** @returns undefined where it is not there or could not be looked at, which the bundle says then */
  have<Value>(what: string, looked: Looked<Value>): Value | undefined {
    if (looked.why !== undefined) this.#missing.push(`${what}: ${looked.why}`);
    else if (looked.value === undefined) this.#missing.push(`${what}: not there`);
    return looked.why === undefined ? looked.value : undefined;
  }

  end(): void {
    this.add('not-collected.txt', `${this.#missing.join('\n')}\n`);
  }
}

async function addNode(api: KubeClient, namespace: string, node: StoredNode, bundle: Collected): Promise<void> {
  const { name } = node.metadata;
  const [settings, ...more] = NAMES.sidecars(name);
  for (const configMap of [NAMES.nats(name), settings, ...more, NAMES.invitation(name)]) {
    const looked = await lookAt(api.get<ConfigMap>(KINDS.configMap, namespace, configMap));
    // Only a node with hundreds of peers has these.
    if (more.includes(configMap) && looked.why === undefined && looked.value === undefined) continue;
    const found = bundle.have(`ConfigMap ${configMap}`, looked);
    if (found && isOfNode(found, name)) bundle.add(`configmap-${configMap}.yaml`, ownObject(found));
  }
  const ref = node.spec.connect?.workloadRef;
  const connect = await addWorkload(api, namespace, ref && workloadRef(ref, 'Deployment'), bundle);
  await addWorkload(api, namespace, nodeSpec(node).workload, bundle);
  if (connect) await addPods(api, namespace, connect.spec.selector.matchLabels, SIDECAR, bundle);
}

async function addWorkload(
  api: KubeClient,
  namespace: string,
  ref: WorkloadRef | undefined,
  bundle: Collected,
): Promise<Workload | undefined> {
  if (!ref) return undefined;
  const found = bundle.have(workloadText(ref), await lookAtWorkload(api, namespace, ref));
  if (found) bundle.add(`workload-${ref.kind}-${ref.name}.yaml`, workloadOutline(found));
  return found;
}

/** How much of each log: the end of it is what matters. */
const LOG_LINES = '20000';
const LOG_BYTES = String(8 * 1024 * 1024);

/** The pods with these labels, and the log of one of their containers. Other containers' logs are not ours: there may be payloads in them. */
async function addPods(
  api: KubeClient,
  namespace: string,
  labels: Readonly<Record<string, string>> = {},
  container: string,
  bundle: Collected,
): Promise<void> {
  const selector = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  // Without a label all pods of the namespace would be meant.
  if (selector.length === 0) return;
  const looked = await lookAt(api.list<Pod>(KINDS.pod, namespace, selector.join(',')).then(({ items }) => items));
  for (const pod of bundle.have(`pods with ${selector.join(',')}`, looked) ?? []) {
    const { name } = pod.metadata;
    bundle.add(`pod-${name}.yaml`, podOutline(pod));
    const query = { container, tailLines: LOG_LINES, limitBytes: LOG_BYTES };
    const log = await lookAt(api.text(`${pathOf(KINDS.pod, namespace, name)}/log`, query));
    const found = bundle.have(`log of ${name}, container ${container}`, log);
    if (found) bundle.add(`logs/${name}-${container}.log`, found.text);
  }
}

async function addOperator(
  api: KubeClient,
  namespace: string,
  operatorNamespace: string | undefined,
  bundle: Collected,
): Promise<void> {
  const lease = bundle.have('Lease lfh-sync-operator', await operatorLease(api, namespace, operatorNamespace));
  if (!lease) return;
  bundle.add('lease.yaml', ownObject(lease));
  const { holderIdentity = '' } = lease.spec ?? {};
  const where = lease.metadata.namespace ?? '';
  const pod = bundle.have(`pod ${holderIdentity}`, await lookAt(api.get<Pod>(KINDS.pod, where, holderIdentity)));
  // All operators of the release, also those that wait: their pods have the labels of the one that works.
  const names = ['name', 'instance', 'component'].map((label) => `app.kubernetes.io/${label}`);
  const labels = names.flatMap((label) =>
    pod?.metadata.labels?.[label] === undefined ? [] : [[label, pod.metadata.labels[label]]],
  );
  await addPods(api, where, Object.fromEntries(labels) as Record<string, string>, 'operator', bundle);
}

function readme(namespace: string, at: number): string {
  return (
    `What lfh-sync dump has collected in the namespace ${namespace} at ${new Date(at).toISOString()}.\n\n` +
    'There is no Secret in it, no payload, and no value of an environment that is not ours. Names, addresses and public keys of this\n' +
    'node and of its peers are: look through it before you give it to somebody.\n\n' +
    'not-collected.txt says what could not be read, and why.\n'
  );
}

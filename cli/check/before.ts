import { KINDS, type Service, type Workload } from '../../operator/api/objects.ts';
import { environmentOf, referencedBy } from '../../operator/controller/concerns.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { withLfhId } from '../../operator/plan/injection/lfh-id.ts';
import { type Advertised, advertisedBy } from '../../operator/plan/observed/advertised.ts';
import type { StoredNode } from '../../operator/plan/observed/observed.ts';
import { nodeSpec } from '../../operator/plan/observed/spec.ts';
import { workloadRef } from '../../operator/plan/observed/workload-ref.ts';
import { secretsOf } from './judge/certificates.ts';
import type { Finding } from './judge/finding.ts';
import { beforeFindings } from './judge/install.ts';
import { type Looked, referencesTo } from './judge/looked.ts';
import { askVersion, lookAt, lookAtWorkload, readContents, unlessMissing } from './looking.ts';
import { mayNotCreate } from './rights.ts';
import { repositoryOf, type Wanted } from './values.ts';

/**
 * `lfh-sync check --pre`: looks at what an LfhSyncNode needs before the operator has it. It reads connect's and NATS's workloads, and the
 * ConfigMaps and Secrets that they and the node name.
 *
 * @throws KubeError where the API server does not answer at all
 */
export async function checkBefore(api: KubeClient, namespace: string, wanted: Wanted): Promise<Finding[]> {
  const { version, at } = await askVersion(api);
  const stored = await nodesOf(api, namespace);
  const node = withStatus(wanted.node, namespace, stored);
  const ref = node.spec.connect?.workloadRef;
  const connect = await lookAtWorkload(api, namespace, ref && workloadRef(ref, 'Deployment'));
  const nats = await lookAtWorkload(api, namespace, nodeSpec(node).workload);
  const contents = await readContents(api, namespace, namesOf(node, found(connect), found(nats)));
  const environment = referencesTo(contents, new Set());
  return beforeFindings({
    node: withLfhId(node, { workload: found(connect), environment }),
    otherNodes: stored,
    kubernetes: version,
    mayNotCreate: wanted.values && (await mayNotCreate(api, namespace, wanted.values)),
    repository: wanted.values && repositoryOf(wanted.values),
    advertised: await advertisedAt(api, namespace, node),
    connect,
    nats,
    contents,
    now: at,
  });
}

/** Where peers reach NATS, as the operator finds it out. */
async function advertisedAt(api: KubeClient, namespace: string, node: StoredNode): Promise<Looked<Advertised>> {
  const name = node.spec.nats.advertiseFrom?.serviceRef.name;
  if (name === undefined) return { value: advertisedBy(node, () => undefined) };
  const service = await lookAt(api.get<Service>(KINDS.service, namespace, name));
  return service.why === undefined ? { value: advertisedBy(node, () => service.value) } : service;
}

function found<Value>(looked: Looked<Value>): Value | undefined {
  return looked.why === undefined ? looked.value : undefined;
}

/** Before the CRDs are installed there are none. */
function nodesOf(api: KubeClient, namespace: string): Promise<Looked<readonly StoredNode[]>> {
  return lookAt(unlessMissing(api.list<StoredNode>(KINDS.node, namespace)).then((listing) => listing?.items));
}

/** A node that is there already keeps its status: it says which workload has the sidecar of the operator. */
function withStatus(node: StoredNode, namespace: string, stored: Looked<readonly StoredNode[]>): StoredNode {
  const there = (found(stored) ?? []).find(({ metadata }) => metadata.name === node.metadata.name);
  const metadata = { ...there?.metadata, ...node.metadata, namespace };
  return { ...node, metadata, ...(there?.status && { status: there.status }) };
}

function namesOf(node: StoredNode, connect: Workload | undefined, nats: Workload | undefined) {
  const named = [...referencedBy(node, [])];
  const environment = environmentOf(connect);
  const [ofConnect, ofNats] = [connect, nats].map((workload) => workload?.spec.template.spec);
  const configMaps = (ofNats?.volumes ?? []).flatMap(({ configMap }) => configMap?.name ?? []);
  return {
    configMaps: [...named, ...environment.configMaps, ...configMaps],
    secrets: [...named, ...environment.secrets, ...secretsOf(ofConnect), ...secretsOf(ofNats)],
  };
}

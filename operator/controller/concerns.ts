import type { EndpointSlice, KubeObject, Workload } from '../api/objects.ts';
import type { CaSource } from '../api/types.ts';
import { keyOf, objectKey } from '../cluster/formats.ts';
import { serviceNamed } from '../plan/observed/endpoints.ts';
import { NAMES, NODE_LABEL } from '../plan/observed/names.ts';
import { nodeNameOf, type PeerObject, type StoredNode } from '../plan/observed/observed.ts';

/**
 * Which nodes a change in the cluster concerns, so that they are reconciled. Pure: each function is given the nodes and
 * peers that there are, and returns the keys of nodes, `namespace/name`, each once.
 */

/** The label of an EndpointSlice that names its Service. */
export const SERVICE_LABEL = 'kubernetes.io/service-name';

/** The peers of one node. */
export function peersOf(peers: readonly PeerObject[], namespace: string, node: string): PeerObject[] {
  return peers.filter((peer) => peer.metadata.namespace === namespace && nodeNameOf(peer) === node);
}

/**
 * Whether only the status of a node or peer has changed, or its metadata. The operator itself writes the status: to
 * reconcile for that would go on for ever.
 */
export function isOnlyStatus({ metadata }: KubeObject, before: KubeObject | undefined): boolean {
  return (
    before !== undefined &&
    before.metadata.uid === metadata.uid &&
    before.metadata.generation === metadata.generation &&
    before.metadata.deletionTimestamp === metadata.deletionTimestamp
  );
}

/**
 * A changed node concerns itself, and the other nodes that name one of its nats-servers: they may have been in conflict
 * with it, and may now be let in.
 */
export function concernedByNode(node: StoredNode, nodes: readonly StoredNode[]): string[] {
  const { servers } = node.spec.nats;
  const sharing = nodes.filter(({ spec }) => spec.nats.servers.some((server) => servers.includes(server)));
  return once([node, ...sharing].map(objectKey));
}

/** A changed peer concerns its node, and the node that it belonged to before. */
export function concernedByPeer(peer: PeerObject, before: PeerObject | undefined): string[] {
  const { namespace = '' } = peer.metadata;
  return once([peer, ...(before ? [before] : [])].map((each) => keyOf(namespace, nodeNameOf(each))));
}

/**
 * A changed ConfigMap or Secret concerns the node whose label it has, and every node that refers to it, itself or in
 * one of its peers. The object as it was before counts as well, so that a label that somebody has removed is restored.
 *
 * Each node and peer is looked at once: this is asked for every ConfigMap and Secret of every tenant, and all of them wait meanwhile.
 */
export function concernedByContent(
  object: KubeObject,
  before: KubeObject | undefined,
  nodes: readonly StoredNode[],
  peers: readonly PeerObject[],
): string[] {
  const { name, namespace = '' } = object.metadata;
  const labelled = [object, ...(before ? [before] : [])].flatMap(({ metadata }) => metadata.labels?.[NODE_LABEL] ?? []);
  const here = nodes.filter((node) => node.metadata.namespace === namespace);
  const known = new Set(here.map((node) => node.metadata.name));
  const ofNodes = here.filter((node) => referencedBy(node, []).has(name)).map((node) => node.metadata.name);
  const ofPeers = peers
    .filter(({ metadata, spec }) => metadata.namespace === namespace && isNamedBy(spec.ca, name))
    .map(nodeNameOf)
    .filter((node) => known.has(node));
  return once([...labelled, ...ofNodes, ...ofPeers].map((node) => keyOf(namespace, node)));
}

/**
 * A changed EndpointSlice concerns the nodes whose NATS is behind its Service: there is a nats-server more or less to
 * ask.
 */
export function concernedBySlice({ metadata }: EndpointSlice, nodes: readonly StoredNode[]): string[] {
  const { namespace = '', labels } = metadata;
  const service = labels?.[SERVICE_LABEL];
  if (service === undefined) return [];
  const behind = nodes.filter(
    (node) =>
      node.metadata.namespace === namespace &&
      node.spec.nats.servers.some((server) => serviceNamed(server, namespace) === service),
  );
  return once(behind.map(objectKey));
}

/** A changed Service concerns the nodes that take the address for their peers from it. */
export function concernedByService({ metadata }: KubeObject, nodes: readonly StoredNode[]): string[] {
  const { name, namespace } = metadata;
  const advertised = nodes.filter(
    ({ metadata: { namespace: where }, spec }) =>
      where === namespace && spec.nats.advertiseFrom?.serviceRef.name === name,
  );
  return once(advertised.map(objectKey));
}

/**
 * Every node that there is to reconcile: those that exist, those that a peer names, and deleted ones that left
 * something behind.
 */
export function allNodeKeys(
  nodes: readonly StoredNode[],
  peers: readonly PeerObject[],
  configMaps: readonly KubeObject[],
): string[] {
  const named = peers.map((peer) => keyOf(peer.metadata.namespace ?? '', nodeNameOf(peer)));
  const left = configMaps.flatMap(({ metadata: { namespace = '', labels } }) => {
    const node = labels?.[NODE_LABEL];
    return node === undefined ? [] : [keyOf(namespace, node)];
  });
  return once([...nodes.map(objectKey), ...named, ...left]);
}

/** The names of the ConfigMaps and Secrets that a node or one of its peers refers to. */
export function referencedBy(node: StoredNode, peers: readonly PeerObject[]): ReadonlySet<string> {
  const { nats, kafka, fhirServers = [] } = node.spec;
  const cas = [nats.ca, kafka.ca, ...fhirServers.map(({ ca }) => ca), ...peers.map(({ spec }) => spec.ca)];
  const names = [
    keySecretOf(node),
    kafka.sasl?.passwordSecretRef.name,
    ...fhirServers.map(({ secretRef }) => secretRef?.name),
    ...cas.flatMap((ca) => [ca?.configMapRef?.name, ca?.secretRef?.name]),
  ];
  return new Set(names.filter((name) => name !== undefined));
}

/** The names of the ConfigMaps and Secrets from which the containers of a workload get their environment. */
export function environmentOf(workload: Workload | undefined): {
  readonly configMaps: readonly string[];
  readonly secrets: readonly string[];
} {
  const containers = workload?.spec.template.spec.containers ?? [];
  const sources = containers.flatMap(({ envFrom = [] }) => envFrom);
  const keys = containers.flatMap(({ env = [] }) => env.flatMap(({ valueFrom }) => valueFrom ?? []));
  return {
    configMaps: [
      ...sources.flatMap(({ configMapRef }) => configMapRef?.name ?? []),
      ...keys.flatMap(({ configMapKeyRef }) => configMapKeyRef?.name ?? []),
    ],
    secrets: [
      ...sources.flatMap(({ secretRef }) => secretRef?.name ?? []),
      ...keys.flatMap(({ secretKeyRef }) => secretKeyRef?.name ?? []),
    ],
  };
}

function isNamedBy(ca: CaSource | undefined, name: string): boolean {
  return ca?.configMapRef?.name === name || ca?.secretRef?.name === name;
}

/** The name of the Secret with a node's key: the one that its spec names, or else the one that the operator makes. */
export function keySecretOf({ spec, metadata }: StoredNode): string {
  return spec.key?.secretRef?.name ?? NAMES.key(metadata.name);
}

function once(keys: readonly string[]): string[] {
  return [...new Set(keys)];
}

import type { ConfigMap, Secret, Workload } from '../api/objects.ts';
import { keyOf, secretTexts, splitKey } from '../cluster/formats.ts';
import { withLfhId } from '../plan/injection/lfh-id.ts';
import { type Injection, withRecordedWorkload } from '../plan/injection/step.ts';
import { type Advertised, advertisedBy } from '../plan/observed/advertised.ts';
import type { CertificateReader } from '../plan/observed/certificate.ts';
import { type Endpoint, endpointsBehind, listensAt, serviceNamed } from '../plan/observed/endpoints.ts';
import { NAMES } from '../plan/observed/names.ts';
import {
  type NodeObject,
  type Observed,
  type ObservedKey,
  type PeerObject,
  type References,
  type StoredNode,
  textsOfAll,
} from '../plan/observed/observed.ts';
import { environmentOf, keySecretOf, peersOf, referencedBy, SERVICE_LABEL } from './concerns.ts';
import type { NodeMemory } from './memory.ts';
import type { Watched } from './watches.ts';

/** What a reconcile begins with: everything of the cluster that matters to a node, as it was last seen. */
export interface Snapshot {
  readonly node: NodeObject;
  readonly peers: readonly PeerObject[];
  readonly otherNodes: readonly StoredNode[];
  /** The workload that runs connect. */
  readonly connect: ConnectReading;
  readonly references: References;
  /** The Secret with the node's key, and so with its seed: never hand it on to a plan. */
  readonly keySecret: Secret | undefined;
  /** The node's own ConfigMaps by name, to be compared with what they should be. */
  readonly configMaps: ReadonlyMap<string, ConfigMap>;
  /** The endpoints behind those of the node's NATS servers that are Services, by the server's URL. */
  readonly endpoints: ReadonlyMap<string, readonly Endpoint[]>;
  /** Where peers reach the node's NATS. */
  readonly advertised: Advertised;
}

/** What became of reading the workload that runs connect. */
export interface ConnectReading {
  /** undefined where it does not exist, or the spec names none. */
  readonly workload?: Workload | undefined;
  /** What its containers get their environment from. */
  readonly environment: References;
  /** Why it could not be read. */
  readonly failure?: Injection;
}

/**
 * Takes the snapshot of a node.
 *
 * @param readConnect reads the workload that runs connect
 * @returns undefined where the node does not exist
 * @throws KubeError where the node refers to something, and the API server cannot be asked for it now
 */
export async function takeSnapshot(
  watched: Watched,
  namespace: string,
  name: string,
  readConnect: (node: StoredNode) => Promise<ConnectReading>,
): Promise<Snapshot | undefined> {
  const node = watched.nodes.get(namespace, name);
  const nodeKey = keyOf(namespace, name);
  if (!node) {
    await readContents(watched, nodeKey, namespace, { configMaps: [], secrets: [] });
    await readEnvironment(watched, nodeKey, undefined);
    return undefined;
  }
  const peers = peersOf(watched.peers.all(), namespace, name);
  const otherNodes = watched.nodes.all().filter(({ metadata }) => metadata.uid !== node.metadata.uid);
  const withWorkload = (each: StoredNode): StoredNode => {
    const { metadata } = each;
    return withRecordedWorkload(each, watched.configMaps.get(metadata.namespace ?? '', NAMES.nats(metadata.name)));
  };
  const owned = [NAMES.nats(name), ...NAMES.sidecars(name), NAMES.invitation(name)];
  const referenced = referencedBy(node, peers);
  const names = { configMaps: [...owned, ...referenced], secrets: [...referenced] };
  const { configMaps, secrets, references } = await readContents(watched, nodeKey, namespace, names);
  const found = owned.flatMap((each) => configMaps.get(each) ?? []);
  const connect = await readConnect(node);
  return {
    node: withLfhId(withWorkload(node), connect),
    peers,
    otherNodes: otherNodes.map(withWorkload),
    connect,
    references,
    keySecret: secrets.get(keySecretOf(node)),
    configMaps: new Map(found.map((configMap) => [configMap.metadata.name, configMap])),
    endpoints: endpointsOf(node, watched),
    advertised: advertisedBy(node, (service) => watched.services.get(namespace, service)),
  };
}

/**
 * The part of a snapshot that a plan is made from. Each field is named, and nothing is spread: the snapshot holds the
 * node's seed, and no plan may have it.
 *
 * @param current the node's ConfigMaps as they are now, which the watch may not have delivered yet
 */
export function observedFrom(
  { node, peers, otherNodes, references, advertised }: Snapshot,
  key: ObservedKey | undefined,
  current: ReadonlyMap<string, ConfigMap>,
  { liveHash, leavesOut }: Pick<NodeMemory, 'liveHash' | 'leavesOut'>,
  certificates: CertificateReader,
): Observed {
  const { name } = node.metadata;
  const written = current.get(NAMES.nats(name))?.data;
  const settings = settingsIn(current, name);
  return {
    node,
    peers,
    otherNodes,
    references,
    advertised,
    certificates,
    key,
    written,
    writtenSettings: textsOfAll(settings),
    settingsIn: settings.map(({ metadata }) => metadata.name),
    liveHash,
    leavesOut,
  };
}

/** Those of a node's ConfigMaps over which the sidecars' settings are spread. */
export function settingsIn(configMaps: ReadonlyMap<string, ConfigMap>, node: string): ConfigMap[] {
  return NAMES.sidecars(node).flatMap((name) => configMaps.get(name) ?? []);
}

/**
 * What is in the ConfigMaps and Secrets from which the containers of a workload get their environment. The operator looks there for
 * connect's id and its subscribers.
 *
 * @param workload undefined where there is none any more, so that nothing of it is kept
 * @throws KubeError where the API server cannot be asked for them now
 */
export async function readEnvironment(
  watched: Watched,
  nodeKey: string,
  workload: Workload | undefined,
): Promise<References> {
  const names = environmentOf(workload);
  return (await readContents(watched, `environment of ${nodeKey}`, splitKey(nodeKey).namespace, names)).references;
}

async function readContents(
  watched: Watched,
  asker: string,
  namespace: string,
  names: { readonly configMaps: readonly string[]; readonly secrets: readonly string[] },
): Promise<{
  readonly configMaps: ReadonlyMap<string, ConfigMap>;
  readonly secrets: ReadonlyMap<string, Secret>;
  readonly references: References;
}> {
  const configMaps = await watched.configMaps.whole(asker, namespace, names.configMaps);
  const secrets = await watched.secrets.whole(asker, namespace, names.secrets);
  const references = {
    configMap: (name: string) => configMaps.get(name)?.data,
    secret: (name: string) => secretTexts(secrets.get(name)),
  };
  return { configMaps, secrets, references };
}

function endpointsOf({ spec, metadata: { namespace = '' } }: StoredNode, watched: Watched): Snapshot['endpoints'] {
  const found = spec.nats.servers.flatMap((server) => {
    const name = serviceNamed(server, namespace);
    if (name === undefined) return [];
    const slices = watched.slices
      .all()
      .filter(({ metadata }) => metadata.namespace === namespace && metadata.labels?.[SERVICE_LABEL] === name);
    const { port = 0 } = listensAt(server) ?? {};
    const endpoints = endpointsBehind(watched.services.get(namespace, name), slices, port);
    return endpoints ? [[server, endpoints] as const] : [];
  });
  return new Map(found);
}

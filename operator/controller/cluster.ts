import type { Logger } from '../../common/log.ts';
import {
  type ConfigMap,
  type EndpointSlice,
  KINDS,
  type Kind,
  type KubeObject,
  type Secret,
  type Service,
} from '../api/objects.ts';
import type { KubeClient } from '../kube/client.ts';
import { Informer, type Keeping } from '../kube/informer.ts';
import { withRecordedWorkload } from '../plan/injection/step.ts';
import { type Endpoint, endpointsBehind, listensAt, serviceNamed } from '../plan/observed/endpoints.ts';
import { DEFAULT_NODE, NAMES, NODE_LABEL } from '../plan/observed/names.ts';
import type { NodeObject, PeerObject, References, Texts } from '../plan/observed/observed.ts';

/** Which Service a slice is of. */
const SERVICE_LABEL = 'kubernetes.io/service-name';

/**
 * A namespace may have many ConfigMaps and Secrets that are not about us, of 1 MiB each. What a node speaks of is asked for whatever its
 * size; only the environment of connect's container, which is looked at for subscribers, is not looked for in larger ones.
 */
const KEPT: Keeping = { largest: 32_768 };
/** Nor of every revision of every release, which `helm` keeps in Secrets. */
const KEPT_SECRETS: Keeping = { ...KEPT, fieldSelector: 'type!=helm.sh/release.v1' };

/** What a turn over a node begins with: everything of the cluster that matters to it, as it was last seen. */
export interface Snapshot {
  readonly node: NodeObject;
  readonly peers: readonly PeerObject[];
  readonly otherNodes: readonly NodeObject[];
  readonly references: References;
  /** The Secret with its key: the one brought, or the one made. */
  readonly keySecret: Secret | undefined;
  /** As they are, to be compared with what they should be. */
  readonly configMaps: ReadonlyMap<string, ConfigMap>;
  /** What is behind those of the node's NATS servers that are Services, by their URL. */
  readonly endpoints: ReadonlyMap<string, readonly Endpoint[]>;
}

/** The part of the cluster that the operator watches, and which nodes a change is about. */
export class Cluster {
  readonly #nodes: Informer<NodeObject>[];
  readonly #peers: Informer<PeerObject>[];
  readonly #configMaps: Informer<ConfigMap>[];
  readonly #secrets: Informer<Secret>[];
  readonly #services: Informer<Service>[];
  readonly #slices: Informer<EndpointSlice>[];
  readonly #namespaces: readonly (string | undefined)[];
  /** Of which everything was listed once: before that, what is missing may only be unknown. */
  readonly #listed = new Set<string | undefined>();

  /** @param namespaces to watch; undefined: all of them */
  constructor(api: KubeClient, namespaces: readonly string[] | undefined, log: Logger) {
    this.#namespaces = namespaces ?? [undefined];
    const informers = <Value extends KubeObject>(kind: Kind, keeping: Keeping = {}): Informer<Value>[] =>
      this.#namespaces.map((namespace) => new Informer<Value>(api, kind, namespace, log, keeping));
    this.#nodes = informers(KINDS.node);
    this.#peers = informers(KINDS.peer);
    this.#configMaps = informers(KINDS.configMap, KEPT);
    this.#secrets = informers(KINDS.secret, KEPT_SECRETS);
    this.#services = informers(KINDS.service);
    this.#slices = informers(KINDS.endpointSlice);
  }

  /**
   * Follows every change until `signal`; `onChange` gets the key, `namespace/name`, of each node it may matter to, once
   * everything in that namespace was listed. One that cannot be listed, because it is gone or lacks our rights, keeps no other.
   */
  async run(onChange: (nodeKey: string) => void, signal: AbortSignal): Promise<void> {
    const tell = (namespace: string, names: readonly string[]): void => {
      if (this.#isListed(namespace)) for (const name of names) onChange(`${namespace}/${name}`);
    };
    for (const [index, namespace] of this.#namespaces.entries()) {
      void Promise.all(this.#all(index).map((informer) => informer.listed)).then(() => {
        this.#listed.add(namespace);
        for (const key of this.keys()) if (namespace === undefined || key.startsWith(`${namespace}/`)) onChange(key);
      });
    }
    for (const informer of this.#nodes) {
      informer.onChange((node, before) => {
        if (isOnlyStatus(node, before)) return;
        const { metadata, spec } = node;
        tell(metadata.namespace ?? '', [metadata.name]);
        // One that was in conflict with this one may now go on.
        for (const other of all(this.#nodes)) {
          if (other.spec.nats.servers.some((server) => spec.nats.servers.includes(server))) {
            tell(other.metadata.namespace ?? '', [other.metadata.name]);
          }
        }
      });
    }
    for (const informer of this.#peers) {
      informer.onChange((peer, before) => {
        if (isOnlyStatus(peer, before)) return;
        const nodes = [peer, ...(before ? [before] : [])].map(nodeOf);
        tell(peer.metadata.namespace ?? '', [...new Set(nodes)]);
      });
    }
    for (const informer of [...this.#configMaps, ...this.#secrets]) {
      informer.onChange((object: KubeObject, before: KubeObject | undefined) => {
        // Also as it was: who takes our label away must see it come back.
        const interested = [object, ...(before ? [before] : [])].flatMap((each) => this.#interestedIn(each));
        tell(object.metadata.namespace ?? '', [...new Set(interested)]);
      });
    }
    for (const informer of this.#slices) {
      informer.onChange((slice) => tell(slice.metadata.namespace ?? '', this.#nodesBehind(slice)));
    }
    await Promise.all(this.#all().map((informer) => informer.run(signal)));
  }

  /** Namespaces of which not everything was listed yet; `all of them` where there is one watch for all. */
  unlisted(): string[] {
    const waiting = this.#namespaces.filter((namespace) => !this.#listed.has(namespace));
    return waiting.map((namespace) => namespace ?? 'all of them');
  }

  /** Keys of all nodes in namespaces that were listed, also of those that only a peer speaks of. */
  keys(): string[] {
    const nodes = all(this.#nodes).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
    const named = all(this.#peers).map((peer) => `${peer.metadata.namespace}/${nodeOf(peer)}`);
    // What a node has left behind.
    const left = all(this.#configMaps).flatMap(({ metadata: { namespace, labels } }) => {
      const node = labels?.[NODE_LABEL];
      return node === undefined ? [] : [`${namespace}/${node}`];
    });
    const keys = [...new Set([...nodes, ...named, ...left])];
    return keys.filter((key) => this.#isListed(key.split('/')[0] ?? ''));
  }

  peersOf(namespace: string, node: string): PeerObject[] {
    return all(this.#peers).filter((peer) => peer.metadata.namespace === namespace && nodeOf(peer) === node);
  }

  /** undefined where the node is gone. @throws KubeError where what it speaks of is large and cannot be had now */
  async snapshot(namespace: string, name: string): Promise<Snapshot | undefined> {
    const node = find(this.#nodes, namespace, name);
    if (!node) return undefined;
    const peers = this.peersOf(namespace, name);
    const others = all(this.#nodes).filter(({ metadata }) => metadata.uid !== node.metadata.uid);
    const held = (each: NodeObject): NodeObject => {
      const { namespace: of = '', name: called } = each.metadata;
      return withRecordedWorkload(each, find(this.#configMaps, of, NAMES.nats(called)));
    };
    const keySecret = node.spec.key?.secretRef?.name ?? NAMES.key(name);
    const owned = [NAMES.nats(name), NAMES.sidecar(name), NAMES.invitation(name)];
    const named = referencedBy(node, peers);
    const configMaps = await wholes(this.#configMaps, namespace, [...owned, ...named]);
    const secrets = await wholes(this.#secrets, namespace, [...named]);
    const found = owned.flatMap((each) => configMaps.get(each) ?? []);
    return {
      node: held(node),
      peers,
      otherNodes: others.map(held),
      references: this.#references(namespace, configMaps, secrets),
      keySecret: secrets.get(keySecret),
      configMaps: new Map(found.map((configMap) => [configMap.metadata.name, configMap])),
      endpoints: this.#endpoints(node),
    };
  }

  #endpoints({ spec, metadata: { namespace = '' } }: NodeObject): Snapshot['endpoints'] {
    const found = spec.nats.servers.flatMap((server) => {
      const name = serviceNamed(server, namespace);
      if (name === undefined) return [];
      const slices = all(this.#slices).filter(
        ({ metadata }) => metadata.namespace === namespace && metadata.labels?.[SERVICE_LABEL] === name,
      );
      const { port = 0 } = listensAt(server) ?? {};
      const endpoints = endpointsBehind(find(this.#services, namespace, name), slices, port);
      return endpoints ? [[server, endpoints] as const] : [];
    });
    return new Map(found);
  }

  /** Names of the nodes whose NATS an endpoint slice is of. */
  #nodesBehind({ metadata: { namespace = '', labels } }: EndpointSlice): string[] {
    const service = labels?.[SERVICE_LABEL];
    const nodes = all(this.#nodes).filter(
      ({ metadata, spec }) =>
        metadata.namespace === namespace &&
        spec.nats.servers.some((server) => serviceNamed(server, namespace) === service),
    );
    return nodes.map(({ metadata }) => metadata.name);
  }

  #references(
    namespace: string,
    configMaps: ReadonlyMap<string, ConfigMap>,
    secrets: ReadonlyMap<string, Secret>,
  ): References {
    return {
      configMap: (name) => (configMaps.get(name) ?? find(this.#configMaps, namespace, name))?.data,
      secret: (name) => decoded(secrets.get(name) ?? find(this.#secrets, namespace, name)),
    };
  }

  /** Names of the nodes of its namespace that own an object or refer to it. */
  #interestedIn({ metadata }: KubeObject): string[] {
    const owner = metadata.labels?.[NODE_LABEL];
    const nodes = all(this.#nodes).filter((node) => node.metadata.namespace === metadata.namespace);
    const refer = nodes.filter((node) => {
      const peers = this.peersOf(metadata.namespace ?? '', node.metadata.name);
      return referencedBy(node, peers).has(metadata.name);
    });
    return [...new Set([...(owner === undefined ? [] : [owner]), ...refer.map((node) => node.metadata.name)])];
  }

  #isListed(namespace: string): boolean {
    return this.#listed.has(undefined) || this.#listed.has(namespace);
  }

  /** @param index of a namespace; absent: all */
  #all(index?: number): Informer<KubeObject>[] {
    const kinds = [this.#nodes, this.#peers, this.#configMaps, this.#secrets, this.#services, this.#slices];
    const found = kinds as unknown as Informer<KubeObject>[][];
    return found.flatMap((informers) => informers.slice(index, index === undefined ? undefined : index + 1));
  }
}

/** Whether all that has changed is what the operator itself writes: turns over it would follow each other without an end. */
function isOnlyStatus({ metadata }: KubeObject, before: KubeObject | undefined): boolean {
  return (
    before !== undefined &&
    before.metadata.uid === metadata.uid &&
    before.metadata.generation === metadata.generation &&
    before.metadata.deletionTimestamp === metadata.deletionTimestamp
  );
}

/** Names of the ConfigMaps and Secrets that a node or one of its peers speaks of. */
function referencedBy(node: NodeObject, peers: readonly PeerObject[]): ReadonlySet<string> {
  const cas = [node.spec.nats.ca, node.spec.kafka.ca, ...peers.map(({ spec }) => spec.ca)];
  const names = [
    node.spec.key?.secretRef?.name ?? NAMES.key(node.metadata.name),
    node.spec.kafka.sasl?.passwordSecretRef.name,
    ...cas.flatMap((ca) => [ca?.configMapRef?.name, ca?.secretRef?.name]),
  ];
  return new Set(names.filter((name) => name !== undefined));
}

function nodeOf({ spec }: PeerObject): string {
  return spec.nodeRef?.name ?? DEFAULT_NODE;
}

function all<Value extends KubeObject>(informers: readonly Informer<Value>[]): Value[] {
  return informers.flatMap((informer) => informer.all());
}

function find<Value extends KubeObject>(
  informers: readonly Informer<Value>[],
  namespace: string,
  name: string,
): Value | undefined {
  for (const informer of informers) {
    const found = informer.get(namespace, name);
    if (found) return found;
  }
  return undefined;
}

/** Those of these names that there are, with all of their content. */
async function wholes<Value extends KubeObject>(
  informers: readonly Informer<Value>[],
  namespace: string,
  names: readonly string[],
): Promise<ReadonlyMap<string, Value>> {
  const found = new Map<string, Value>();
  for (const name of names) {
    for (const informer of informers) {
      const whole = await informer.whole(namespace, name);
      if (whole) found.set(name, whole);
    }
  }
  return found;
}

function decoded(secret: Secret | undefined): Texts | undefined {
  if (!secret) return undefined;
  const entries = Object.entries(secret.data ?? {});
  return Object.fromEntries(entries.map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]));
}

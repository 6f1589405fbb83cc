import type { Logger } from '../../common/log.ts';
import {
  type ConfigMap,
  type EndpointSlice,
  KINDS,
  type KubeObject,
  type Secret,
  type Service,
} from '../api/objects.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { splitKey } from '../cluster/formats.ts';
import type { Keeping } from '../cluster/informer.ts';
import { Informers } from '../cluster/informers.ts';
import type { PeerObject, StoredNode } from '../plan/observed/observed.ts';
import {
  allNodeKeys,
  concernedByContent,
  concernedByNode,
  concernedByPeer,
  concernedByService,
  concernedBySlice,
  isOnlyStatus,
} from './concerns.ts';
import { keptNode, keptPeer, keptService, keptSlice } from './kept.ts';

/** Most ConfigMaps of a namespace do not concern us. What a node refers to is read, and kept while it does. */
const KEPT: Keeping<ConfigMap> = { keep: 'identity' };
/** Secrets as well, but for the releases of `helm`, which keeps every revision of each in a Secret. */
const KEPT_SECRETS: Keeping<Secret> = { keep: 'identity', fieldSelector: 'type!=helm.sh/release.v1' };

/** Everything of the cluster that is watched, as it was last seen. */
export interface Watched {
  readonly nodes: Informers<StoredNode>;
  readonly peers: Informers<PeerObject>;
  readonly configMaps: Informers<ConfigMap>;
  readonly secrets: Informers<Secret>;
  readonly services: Informers<Service>;
  readonly slices: Informers<EndpointSlice>;
}

/** Watches the part of the cluster that matters, and requeues the nodes that a change concerns. */
export class Watches {
  readonly watched: Watched;
  readonly #namespaces: readonly (string | undefined)[];
  /** Namespaces in which everything was listed once. Before that, an object that is missing may only be unknown yet. */
  readonly #listed = new Set<string | undefined>();

  /** @param namespaces the namespaces to watch; undefined: all of them */
  constructor(api: Cluster, namespaces: readonly string[] | undefined, log: Logger) {
    const where = namespaces ?? [undefined];
    this.#namespaces = where;
    this.watched = {
      nodes: new Informers(api, KINDS.node, where, log, { keep: keptNode }),
      peers: new Informers(api, KINDS.peer, where, log, { keep: keptPeer }),
      configMaps: new Informers(api, KINDS.configMap, where, log, KEPT),
      secrets: new Informers(api, KINDS.secret, where, log, KEPT_SECRETS),
      services: new Informers(api, KINDS.service, where, log, { keep: keptService }),
      slices: new Informers(api, KINDS.endpointSlice, where, log, { keep: keptSlice }),
    };
  }

  /**
   * Follows every change until `signal` is aborted, and requeues the nodes that it concerns, but none in a namespace
   * before everything in it was listed. A namespace that cannot be listed, because it does not exist or our rights are
   * missing there, does not hold up the others.
   *
   * @param requeue gets the key of a node, `namespace/name`
   */
  async run(requeue: (nodeKey: string) => void, signal: AbortSignal): Promise<void> {
    const { nodes, peers, configMaps, secrets, services, slices } = this.watched;
    const requeueAll = (keys: readonly string[]): void => keys.filter((key) => this.#isListed(key)).forEach(requeue);
    // While a namespace is being listed, nothing that is in it concerns anybody yet.
    const requeueIn = ({ metadata: { namespace = '' } }: KubeObject, concerned: () => readonly string[]): void => {
      if (this.#isListedIn(namespace)) requeueAll(concerned());
    };

    // Nodes: requeue the node, and those that share a nats-server with it, which may have been in conflict with it.
    nodes.onChange((node, before) => {
      if (!isOnlyStatus(node, before)) requeueAll(concernedByNode(node, nodes.all()));
    });
    // Peers: requeue the node that the peer belongs to, and the one that it belonged to before.
    peers.onChange((peer, before) => {
      if (!isOnlyStatus(peer, before)) requeueAll(concernedByPeer(peer, before));
    });
    // ConfigMaps: requeue the node that owns it, to undo a change, and those that refer to it, to use what it says now.
    configMaps.onChange((configMap, before) =>
      requeueIn(configMap, () => concernedByContent(configMap, before, nodes.all(), peers.all())),
    );
    // Secrets: requeue the node whose key it is, and those that refer to it.
    secrets.onChange((secret, before) =>
      requeueIn(secret, () => concernedByContent(secret, before, nodes.all(), peers.all())),
    );
    // EndpointSlices: requeue the nodes whose NATS is behind the Service, since it has a server more or less.
    slices.onChange((slice) => requeueIn(slice, () => concernedBySlice(slice, nodes.all())));
    // Services: requeue the nodes that take the address for their peers from it. One that has other pods now has other
    // slices, and anything else waits for the heartbeat.
    services.onChange((service) => requeueIn(service, () => concernedByService(service, nodes.all())));

    for (const [index, namespace] of this.#namespaces.entries()) {
      void Promise.all(this.#all().map((informers) => informers.listed(index))).then(() => {
        this.#listed.add(namespace);
        requeueAll(this.keys().filter((key) => namespace === undefined || splitKey(key).namespace === namespace));
      });
    }
    await Promise.all(this.#all().map((informers) => informers.run(signal)));
  }

  /** Resolves when everything was listed once, in all of the namespaces. */
  async listed(): Promise<void> {
    const all = this.#namespaces.flatMap((_, index) => this.#all().map((informers) => informers.listed(index)));
    await Promise.all(all);
  }

  /** The namespaces in which not everything was listed yet; `all of them` where there is one watch for all. */
  unlisted(): string[] {
    const waiting = this.#namespaces.filter((namespace) => !this.#listed.has(namespace));
    return waiting.map((namespace) => namespace ?? 'all of them');
  }

  /**
   * The keys of all nodes in the namespaces that were listed, also of those that only a peer or a ConfigMap of ours
   * names.
   */
  keys(): string[] {
    const { nodes, peers, configMaps } = this.watched;
    return allNodeKeys(nodes.all(), peers.all(), configMaps.all()).filter((key) => this.#isListed(key));
  }

  #isListed(nodeKey: string): boolean {
    return this.#isListedIn(splitKey(nodeKey).namespace);
  }

  #isListedIn(namespace: string): boolean {
    return this.#listed.has(undefined) || this.#listed.has(namespace);
  }

  #all(): readonly Pick<Informers<StoredNode>, 'listed' | 'run'>[] {
    const { nodes, peers, configMaps, secrets, services, slices } = this.watched;
    return [nodes, peers, configMaps, secrets, services, slices];
  }
}

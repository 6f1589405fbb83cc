import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LfhSyncNode, LfhSyncPeer } from '../../operator/api/types.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { ClusterSite } from '../cluster/cluster-site.ts';
import { until } from '../kit/processes/process.ts';
import { Helm } from '../kit/servers/helm.ts';

const CHART = join(import.meta.dirname, '..', '..', 'charts', 'lfh-sync');
const RELEASE = 'lfh-sync';
/** For whatever a pod has to start for, on a machine that does other things, too. */
export const PATIENCE_MS = 300_000;

interface ListedPod {
  readonly metadata: { readonly name: string; readonly uid: string; readonly deletionTimestamp?: string };
  readonly status: {
    readonly containerStatuses?: readonly { readonly restartCount: number }[];
    readonly initContainerStatuses?: readonly { readonly restartCount: number }[];
  };
}

export interface HospitalOptions {
  /** One release of a cluster has them. */
  readonly bringsCrds: boolean;
  /** The URLs of its FHIR servers. */
  readonly fhirServers?: readonly string[];
}

/** A site in a namespace of its own, and what its administrator does there with helm and kubectl alone. */
export class Hospital {
  readonly site: ClusterSite;
  readonly #cluster: Cluster;
  readonly #helm: Helm;
  readonly #directory: string;
  readonly #bringsCrds: boolean;
  readonly #fhirServers: readonly string[];

  private constructor(
    cluster: Cluster,
    helm: Helm,
    site: ClusterSite,
    directory: string,
    { bringsCrds, fhirServers = [] }: HospitalOptions,
  ) {
    this.#cluster = cluster;
    this.#helm = helm;
    this.site = site;
    this.#directory = directory;
    this.#bringsCrds = bringsCrds;
    this.#fhirServers = fhirServers;
  }

  /**
   * NATS, Kafka and connect are applied; NATS waits for what lfh-sync makes, and connect for NATS.
   *
   * @param directory for files that the administrator keeps
   */
  static async create(
    cluster: Cluster,
    lfhId: string,
    directory: string,
    { bringsCrds, fhirServers = [] }: HospitalOptions,
  ): Promise<Hospital> {
    const site = await ClusterSite.create(cluster, await cluster.createNamespace(lfhId), lfhId);
    const helm = await Helm.in(directory, cluster.kubeconfigFile);
    return new Hospital(cluster, helm, site, directory, { bringsCrds, fhirServers });
  }

  get lfhId(): string {
    return this.site.lfhId;
  }

  get namespace(): string {
    return this.site.namespace;
  }

  /** When an earlier run was cut off, its CRDs are still there and belong to a release that is gone. */
  async install(): Promise<void> {
    await this.#release('install', {}, this.#bringsCrds ? ['--take-ownership'] : []);
  }

  async upgrade(values: object): Promise<void> {
    await this.#release('upgrade', values, ['--wait']);
  }

  async rollback(): Promise<void> {
    await this.#helm.run(['rollback', RELEASE, '-n', this.namespace, '--wait', '--timeout', '240s']);
  }

  async test(): Promise<void> {
    await this.#helm.run(['test', RELEASE, '-n', this.namespace, '--timeout', '240s']);
  }

  async uninstall(): Promise<void> {
    await this.#helm.run(['uninstall', RELEASE, '-n', this.namespace, '--timeout', '240s']);
  }

  /** Saves the invitation, as the chart's notes say. @returns the file */
  async invitation(): Promise<string> {
    const file = join(this.#directory, `syncpeer-of-${this.lfhId}.yaml`);
    await writeFile(
      file,
      await this.kubectl('get', 'configmap/local-invitation', '-o', 'jsonpath={.data.syncpeer\\.yaml}'),
    );
    return file;
  }

  /** Resolves when all objects of this kind are Ready. */
  async ready(what: 'lfhnode' | 'lfhpeer', timeoutMs = PATIENCE_MS): Promise<void> {
    await this.kubectl('wait', what, '--all', '--for=condition=Ready', `--timeout=${Math.round(timeoutMs / 1000)}s`);
  }

  async node(): Promise<LfhSyncNode> {
    return this.#cluster.get<LfhSyncNode>('lfhnode/local', '-n', this.namespace);
  }

  async peer(of: { readonly lfhId: string }): Promise<LfhSyncPeer> {
    return this.#cluster.get<LfhSyncPeer>(`lfhpeer/${of.lfhId}`, '-n', this.namespace);
  }

  /** What it prints, without the last line end. */
  async kubectl(...args: string[]): Promise<string> {
    return (await this.#cluster.kubectl(['-n', this.namespace, ...args])).stdout.trim();
  }

  /** As `kubectl apply`. */
  async apply(...objects: object[]): Promise<void> {
    await this.#cluster.apply(objects, this.namespace);
  }

  /** How many connections a peer has at our NATS, as nats-server itself reports. @param account the peer's */
  async connectionsOf(account: string): Promise<number> {
    const { connections } = await this.monitored<{ connections: readonly { readonly account?: string }[] }>(
      'connz?auth=true',
    );
    return connections.filter((each) => each.account === account).length;
  }

  /** What nats-server's monitoring port answers. */
  async monitored<Answer>(path: string): Promise<Answer> {
    const address = await this.kubectl('get', 'pod/nats-0', '-o', 'jsonpath={.status.podIP}');
    return (await fetch(`http://${address}:8222/${path}`)).json() as Promise<Answer>;
  }

  /** Names of the pods that are not being deleted. @param labels such as `app=connect` */
  async pods(labels: string): Promise<string[]> {
    return (await this.#pods(labels)).map(({ metadata }) => metadata.name);
  }

  /** One line for each pod: which one it is, and how often each of its containers was restarted. */
  async starts(): Promise<string[]> {
    const pods = await this.#pods('app in (connect,nats,kafka)');
    const counts = ({ status }: ListedPod): number[] =>
      [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])].map((each) => each.restartCount);
    return pods.map((pod) => `${pod.metadata.name} ${pod.metadata.uid} ${counts(pod).join()}`).sort();
  }

  /** Resolves when no pod of connect is being deleted any more: its messages may still be under way. */
  async settled(): Promise<void> {
    await this.site.running(PATIENCE_MS);
    const gone = async (): Promise<boolean> =>
      (await this.kubectl('get', 'pods', '-l', 'app=connect', '-o', 'jsonpath={..deletionTimestamp}')) === '';
    await until(`no pod of ${this.lfhId} is ending`, gone, PATIENCE_MS, 250);
  }

  async #pods(labels: string): Promise<readonly ListedPod[]> {
    const { items } = await this.#cluster.get<{ items: ListedPod[] }>('pods', '-n', this.namespace, '-l', labels);
    return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  }

  async #release(command: 'install' | 'upgrade', values: object, options: readonly string[]): Promise<void> {
    const node = {
      lfhId: this.lfhId,
      connect: { workloadRef: { kind: 'Deployment', name: 'connect' } },
      nats: {
        servers: ['tls://nats:4222'],
        advertise: [this.site.natsUrl],
        ca: { secretRef: { name: 'nats-tls' } },
        workloadRef: { kind: 'StatefulSet', name: 'nats' },
        reload: 'Reloader',
        connect: { publicKey: this.site.connectKey },
      },
      kafka: { brokers: ['kafka:9092'] },
      fhirServers: this.#fhirServers.map((url) => ({ url })),
    };
    const all = JSON.stringify({ crds: { enabled: this.#bringsCrds }, node, ...values });
    const args = [command, RELEASE, CHART, '-n', this.namespace, '-f', '-', '--timeout', '240s', ...options];
    await this.#helm.run(args, all);
  }
}

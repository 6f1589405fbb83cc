import { Kafka, logLevel } from 'kafkajs';
import { createUser, type KeyPair } from 'nkeys.js';
import { until } from '../kit/processes/process.ts';
import { type CertificateAuthority, createCertificateAuthority } from '../kit/servers/certificates.ts';
import type { Cluster } from './cluster.ts';

/** The StatefulSet and the Service of a site's NATS: `nats` for one that lfh-sync looks after, `nats-js` for one made by hand. */
type NatsName = 'nats' | 'nats-js';

/** What connect is told of other sites where no lfh-sync does that. */
interface Others {
  /** Their CAs, as PEM. */
  readonly cas: readonly string[];
  readonly subscribers: readonly string[];
}

/** NATS, Kafka and a stand-in for connect in a namespace: what a hospital has before lfh-sync is installed. */
export class ClusterSite {
  readonly cluster: Cluster;
  readonly namespace: string;
  readonly lfhId: string;
  readonly authority: CertificateAuthority;
  readonly natsName: NatsName;
  readonly #connectKey: KeyPair = createUser();
  #connectAddress: string | undefined;

  private constructor(
    cluster: Cluster,
    namespace: string,
    lfhId: string,
    authority: CertificateAuthority,
    natsName: NatsName,
  ) {
    this.cluster = cluster;
    this.namespace = namespace;
    this.lfhId = lfhId;
    this.authority = authority;
    this.natsName = natsName;
  }

  /**
   * Applies the whole site. The pod of NATS starts when the operator, or a test in its place, has made the ConfigMap `local-nats`.
   * connect is ready when NATS accepts its key.
   *
   * @param namespace exists already; its pods run as Pod Security `restricted` demands
   */
  static async create(cluster: Cluster, namespace: string, lfhId: string): Promise<ClusterSite> {
    const site = await ClusterSite.createWithoutConnect(cluster, namespace, lfhId, 'nats');
    await site.startConnect();
    return site;
  }

  /** Applies all but connect. */
  static async createWithoutConnect(
    cluster: Cluster,
    namespace: string,
    lfhId: string,
    natsName: NatsName,
  ): Promise<ClusterSite> {
    const site = new ClusterSite(cluster, namespace, lfhId, await createCertificateAuthority(lfhId), natsName);
    await cluster.apply(await site.#secrets(), namespace);
    for (const name of [`${natsName}.yaml`, 'kafka.yaml']) await cluster.applyManifest(name, namespace);
    return site;
  }

  /** Applies connect with its settings. */
  async startConnect(others: Others = { cas: [], subscribers: [] }): Promise<void> {
    await this.cluster.apply(this.#settings(others), this.namespace);
    await this.cluster.applyManifest('connect.yaml', this.namespace);
  }

  /** The public key that connect signs in with at NATS. */
  get connectKey(): string {
    return this.#connectKey.getPublicKey();
  }

  /** The seed of that key. */
  get connectSeed(): Uint8Array {
    return this.#connectKey.getSeed();
  }

  /** The URL of its NATS for other namespaces of the cluster. */
  get natsUrl(): string {
    return `tls://${this.natsName}.${this.namespace}.svc:4222`;
  }

  /** Resolves when every pod is ready and connect answers through its Service, whose rules are in place a moment later. */
  async running(timeoutMs?: number): Promise<void> {
    for (const workload of ['statefulset/kafka', `statefulset/${this.natsName}`, 'deployment/connect']) {
      await this.cluster.rolledOut(workload, this.namespace, timeoutMs);
    }
    const status = `${await this.#connectUrl()}/status`;
    await until(
      'connect answers',
      async () => (await fetch(status, { signal: AbortSignal.timeout(2_000) })).ok,
      60_000,
    );
  }

  /**
   * Gives connect a message, as an application does; resolves when connect has stored and announced it.
   *
   * @param path such as `/fhir/Patient`
   * @returns what it announced
   */
  async takeIn(
    path: string,
    content: unknown,
  ): Promise<{ readonly uuid: string; readonly data_record_location: string }> {
    const body = typeof content === 'string' ? content : JSON.stringify(content);
    // A pod may end during a request without answering.
    const signal = AbortSignal.timeout(30_000);
    const response = await fetch(`${await this.#connectUrl()}${path}`, { method: 'POST', body, signal });
    const answer = await response.text();
    if (!response.ok) throw new Error(`connect of ${this.lfhId} answers ${response.status}: ${answer}`);
    return JSON.parse(answer) as { uuid: string; data_record_location: string };
  }

  /** Kafka for {@link readTopic} on this machine, at the present address of the pod. */
  async kafka(): Promise<{ client(): Kafka }> {
    const { status } = await this.cluster.get<{ status: { podIP: string } }>('pod/kafka-0', '-n', this.namespace);
    const brokers = [`${status.podIP}:9094`];
    return {
      client: () => new Kafka({ brokers, clientId: 'test', logLevel: logLevel.NOTHING, retry: { retries: 10 } }),
    };
  }

  async #connectUrl(): Promise<string> {
    // A Service keeps its address.
    this.#connectAddress ??= await this.cluster.serviceAddress('connect', this.namespace);
    return `http://${this.#connectAddress}:5000`;
  }

  async #secrets(): Promise<object[]> {
    const { namespace, authority, natsName } = this;
    const hosts = ['', `.${namespace}`, `.${namespace}.svc`, `.${namespace}.svc.cluster.local`].map(
      (domain) => natsName + domain,
    );
    const { cert, key } = await authority.issue({ names: hosts.map((value) => ({ type: 'dns', value })) });
    return [
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'nats-tls' },
        stringData: { 'tls.crt': cert, 'tls.key': key, 'ca.crt': authority.ca },
      },
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'connect-nkey' },
        stringData: { 'nats-server.nk': new TextDecoder().decode(this.#connectKey.getSeed()) },
      },
    ];
  }

  #settings({ cas, subscribers }: Others): object[] {
    const settings = {
      CONNECT_LFH_ID: this.lfhId,
      KAFKA_BOOTSTRAP_SERVERS: 'kafka:9092',
      NATS_SERVERS: JSON.stringify([`tls://${this.natsName}:4222`]),
      ...(subscribers.length > 0 && { NATS_SYNC_SUBSCRIBERS: JSON.stringify(subscribers) }),
    };
    const all = [this.authority.ca, ...cas].join('\n');
    const configMap = (name: string, data: object): object => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name },
      data,
    });
    return [configMap('ca-nats', { 'rootCA.pem': all }), configMap('connect-config', settings)];
  }
}

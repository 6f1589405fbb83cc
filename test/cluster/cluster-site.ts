import { Kafka, logLevel } from 'kafkajs';
import { createUser, type KeyPair } from 'nkeys.js';
import { until } from '../kit/processes/process.ts';
import { type CertificateAuthority, createCertificateAuthority } from '../kit/servers/certificates.ts';
import type { Cluster } from './cluster.ts';

/** NATS, Kafka and a stand-in for connect in a namespace: what a hospital has before lfh-sync is installed. */
export class ClusterSite {
  readonly cluster: Cluster;
  readonly namespace: string;
  readonly lfhId: string;
  readonly authority: CertificateAuthority;
  readonly #connectKey: KeyPair = createUser();

  private constructor(cluster: Cluster, namespace: string, lfhId: string, authority: CertificateAuthority) {
    this.cluster = cluster;
    this.namespace = namespace;
    this.lfhId = lfhId;
    this.authority = authority;
  }

  /**
   * Applies the whole site. The pod of NATS starts when the operator, or a test in its place, has made the ConfigMap `local-nats`.
   * connect is ready when NATS accepts its key.
   *
   * @param namespace exists already; its pods run as Pod Security `restricted` demands
   */
  static async create(cluster: Cluster, namespace: string, lfhId: string): Promise<ClusterSite> {
    const site = new ClusterSite(cluster, namespace, lfhId, await createCertificateAuthority(lfhId));
    await cluster.apply(await site.#prerequisites(), namespace);
    for (const name of ['nats.yaml', 'kafka.yaml', 'connect.yaml']) await cluster.applyManifest(name, namespace);
    return site;
  }

  /** The public key that connect signs in with at NATS. */
  get connectKey(): string {
    return this.#connectKey.getPublicKey();
  }

  /** The URL of its NATS for other namespaces of the cluster. */
  get natsUrl(): string {
    return `tls://nats.${this.namespace}.svc:4222`;
  }

  /** Resolves when every pod is ready and connect answers through its Service, whose rules are in place a moment later. */
  async running(timeoutMs?: number): Promise<void> {
    for (const workload of ['statefulset/kafka', 'statefulset/nats', 'deployment/connect']) {
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
    return `http://${await this.cluster.serviceAddress('connect', this.namespace)}:5000`;
  }

  async #prerequisites(): Promise<object[]> {
    const { namespace, authority } = this;
    const hosts = ['nats', `nats.${namespace}`, `nats.${namespace}.svc`, `nats.${namespace}.svc.cluster.local`];
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
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'ca-nats' }, data: { 'rootCA.pem': authority.ca } },
      {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'connect-config' },
        data: {
          CONNECT_LFH_ID: this.lfhId,
          KAFKA_BOOTSTRAP_SERVERS: 'kafka:9092',
          NATS_SERVERS: '["tls://nats:4222"]',
        },
      },
    ];
  }
}

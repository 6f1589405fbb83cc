import { connect, type NatsConnection, nkeyAuthenticator, type TlsOptions } from 'nats';
import type { Cluster } from '../cluster/cluster.ts';
import { ClusterSite } from '../cluster/cluster-site.ts';
import { until } from '../kit/processes/process.ts';
import { type Hospital, PATIENCE_MS } from './hospital.ts';

const POD = 'nats-js-0';
const PID = '/var/run/nats/nats.pid';

/**
 * A site as upstream ships it: connect, Kafka, and a nats-server with users in `authorization` and no accounts. There is no lfh-sync,
 * and its administrator does by hand what docs/upstream-sites.md asks of the other side, literally.
 */
export class HospitalByHand {
  readonly site: ClusterSite;
  readonly #cluster: Cluster;

  private constructor(cluster: Cluster, site: ClusterSite) {
    this.#cluster = cluster;
    this.site = site;
  }

  /** NATS and Kafka are applied; connect waits until it is told of the other site. */
  static async create(cluster: Cluster, lfhId: string): Promise<HospitalByHand> {
    const namespace = await cluster.createNamespace(lfhId);
    const site = await ClusterSite.createWithoutConnect(cluster, namespace, lfhId, 'nats-js');
    const hospital = new HospitalByHand(cluster, site);
    await hospital.#configure('');
    return hospital;
  }

  get lfhId(): string {
    return this.site.lfhId;
  }

  get namespace(): string {
    return this.site.namespace;
  }

  /** What it prints, without the last line end. */
  async kubectl(...args: string[]): Promise<string> {
    return (await this.#cluster.kubectl(['-n', this.namespace, ...args])).stdout.trim();
  }

  /** Puts a line among the users of nats-server.conf, and reloads nats-server once it has the file. */
  async letIn(user: string): Promise<void> {
    await this.#configure(user);
    // A kubelet looks at once after the pod of a ConfigMap was changed.
    await this.kubectl('annotate', `pod/${POD}`, 'looks=now', '--overwrite');
    const loaded = async (): Promise<string> =>
      (await this.#monitored<{ config_digest: string }>('varz')).config_digest;
    const before = await loaded();
    const changed = async (): Promise<boolean> => {
      await this.kubectl('exec', POD, '--', '/usr/local/bin/nats-server', '--signal', `reload=${PID}`);
      return (await loaded()) !== before;
    };
    await until('nats-server has reloaded what was written', changed, PATIENCE_MS, 1_000);
  }

  /** As `nats request SUBJECT BODY` with connect's own key. @throws with what JetStream answers, where that is an error */
  async request(subject: string, body: string): Promise<void> {
    // The certificate names the Service, which this machine cannot resolve.
    const tls = { ca: this.site.authority.ca, checkServerIdentity: () => undefined } as TlsOptions;
    const options = { servers: [`tls://${await this.#podAddress(POD)}:4222`], tls };
    const connection: NatsConnection = await connect({
      ...options,
      authenticator: nkeyAuthenticator(this.site.connectSeed),
    });
    try {
      const { error } = (await connection.request(subject, body, { timeout: 10_000 })).json<{
        error?: { description: string };
      }>();
      if (error) throw new Error(`${subject}: ${error.description}`);
    } finally {
      await connection.close();
    }
  }

  /** Starts connect with our NATS in `NATS_SYNC_SUBSCRIBERS`, and our CA beside its own. */
  async receiveFrom(hospital: Hospital): Promise<void> {
    const { authority, natsUrl } = hospital.site;
    await this.site.startConnect({ cas: [authority.ca], subscribers: [natsUrl] });
  }

  async #configure(user: string): Promise<void> {
    const conf = `port: 4222
http: 8222
pid_file: ${PID}
jetstream { store_dir: /data, max_file: 1G }
tls: { cert_file: /etc/nats-tls/tls.crt, key_file: /etc/nats-tls/tls.key, ca_file: /etc/nats-tls/ca.crt }
authorization: {
  users: [
    { nkey: ${this.site.connectKey} }
${user}
  ]
}
`;
    const metadata = { name: 'nats-js-config' };
    const configMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { 'nats.conf': conf } };
    await this.#cluster.apply([configMap], this.namespace);
  }

  async #monitored<Answer>(path: string): Promise<Answer> {
    return (await fetch(`http://${await this.#podAddress(POD)}:8222/${path}`)).json() as Promise<Answer>;
  }

  async #podAddress(pod: string): Promise<string> {
    return this.kubectl('get', `pod/${pod}`, '-o', 'jsonpath={.status.podIP}');
  }
}

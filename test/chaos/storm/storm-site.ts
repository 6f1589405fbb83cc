import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Kafka } from 'kafkajs';
import { createUser, type KeyPair } from 'nkeys.js';
import type { PeerStatus } from '../../../common/contract/status.ts';
import type { TransmitStatus } from '../../../common/contract/transmit-status.ts';
import { writeMounted } from '../../../operator/directory/mounted-files.ts';
import { freePort, until } from '../../kit/processes/process.ts';
import { type PeerOf, SidecarProcess } from '../../kit/processes/sidecar.ts';
import { FhirServer } from '../../kit/servers/fhir-server.ts';
import type { KafkaServer } from '../../kit/servers/kafka.ts';
import { KafkaCluster } from '../../kit/servers/kafka-cluster.ts';
import { Line } from '../../kit/servers/line.ts';
import { Site, type SiteOptions } from '../../kit/sites/site.ts';
import { allowedFormats, MAX_MESSAGE_BYTES } from './messages.ts';
import { type Cast, CLUSTERED, SIDECARS, type SiteName, siteOf, TRANSMITTING } from './schedule.ts';

/** Where Kafka asks who may do what, so that a right can be taken. */
const AUTHORIZER = {
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'allow.everyone.if.no.acl.found': 'true',
};

/** This site logs everything that a sidecar can log. */
const TALKATIVE: SiteName = 'hospital-b';

/** One of the sites of a storm: its servers, its sidecars, the lines between them, and what its settings say at the moment. */
export class StormSite {
  readonly name: SiteName;
  readonly site: Site;
  /** The line from its sidecars to its Kafka; none where the Kafka has several brokers. */
  readonly kafkaLine: Line | undefined;
  readonly cluster: KafkaCluster | undefined;
  /** What it transmits to; none at most sites. */
  readonly fhir: FhirServer | undefined;
  readonly sidecars = new Map<string, SidecarProcess>();
  /** The lines from its sidecars to the NATS of each peer. */
  readonly peerLines = new Map<SiteName, Line>();
  /** What its administrator has decided about peers whose streams diverged. */
  readonly restarts = new Map<SiteName, unknown>();
  /** The CAs that it trusts for each peer, where they are not the peer's first one; its own for itself. */
  readonly trusted = new Map<SiteName, string>();
  /** The key that it signs in with, and the one before that is still in force. */
  keys: readonly KeyPair[] = [createUser()];
  readonly #keys: string;
  #peers: readonly StormSite[] = [];
  #written = Promise.resolve();
  #redrive: string | undefined;

  private constructor(
    name: SiteName,
    parts: { site: Site; kafkaLine: Line | undefined; cluster: KafkaCluster | undefined; fhir: FhirServer | undefined },
  ) {
    this.name = name;
    this.site = parts.site;
    this.kafkaLine = parts.kafkaLine;
    this.cluster = parts.cluster;
    this.fhir = parts.fhir;
    this.#keys = join(this.site.directory, 'keys');
  }

  static async start(name: SiteName, { sharedAccount, oldNats }: Cast): Promise<StormSite> {
    const fhir = name === TRANSMITTING ? await FhirServer.start({ conditionalCreate: true }) : undefined;
    const nats: SiteOptions = {
      isolation: name === sharedAccount ? 'Users' : 'Accounts',
      natsVersion: name === oldNats ? 'beforeReset' : 'current',
    };
    if (name === CLUSTERED) {
      const [cluster, site] = await Promise.all([KafkaCluster.start(), Site.start(name, { ...nats, kafka: false })]);
      return new StormSite(name, { site, cluster, fhir, kafkaLine: undefined });
    }
    const kafkaPort = await freePort();
    const kafkaLine = await Line.start(kafkaPort);
    const advertised = { 'advertised.listeners': `PLAINTEXT://127.0.0.1:${kafkaLine.port}` };
    const kafkaProperties = { ...advertised, ...AUTHORIZER };
    const site = await Site.start(name, { ...nats, kafkaPort, kafkaProperties });
    return new StormSite(name, { site, cluster: undefined, fhir, kafkaLine });
  }

  get brokers(): readonly KafkaServer[] {
    return this.cluster?.servers ?? [this.site.kafka];
  }

  get addresses(): string[] {
    return this.kafkaLine ? [`127.0.0.1:${this.kafkaLine.port}`] : this.brokers.flatMap(({ brokers }) => brokers);
  }

  client(): Kafka {
    return (this.cluster ?? this.site.kafka).client();
  }

  get publicKeys(): string[] {
    return this.keys.map((key) => key.getPublicKey());
  }

  /** Lets a peer receive, with the keys that it has now. */
  grant(peer: StormSite): Promise<void> {
    return this.site.grantAccess({ lfhId: peer.name, publicKeys: peer.publicKeys });
  }

  async startSidecars(peers: readonly StormSite[]): Promise<void> {
    this.#peers = peers;
    for (const peer of peers) this.peerLines.set(peer.name, await Line.start(peer.site.nats.port));
    await mkdir(this.#keys);
    await this.mountKeys();
    const settings = this.#settings();
    for (const place of SIDECARS.filter((each) => siteOf(each) === this.name)) {
      const options = { peers: this.#peersOf(), settings, name: place };
      this.sidecars.set(place, await SidecarProcess.start(this.site, options));
    }
  }

  /**
   * Writes the settings for all its sidecars, also for those that do not run. Several faults may want it at the same time, and the
   * last to write has to know what all of them have changed.
   */
  configure(): Promise<void> {
    this.#written = this.#written.then(async () => {
      for (const sidecar of this.sidecars.values()) await sidecar.configure(this.#peersOf(), this.#settings());
    });
    return this.#written;
  }

  /** Allows what was forgotten, and asks for a redrive of it. @param id undefined: it is forgotten again, and nothing is redriven */
  askForRedrive(id: string | undefined): Promise<void> {
    this.#redrive = id;
    return this.configure();
  }

  async mountKeys(): Promise<void> {
    const [current, previous] = this.keys.map((key) => Buffer.from(key.getSeed()));
    if (current === undefined) throw new Error(`${this.name} has no key`);
    await writeMounted(
      this.#keys,
      new Map([['nats-server.nk', current], ...(previous ? [['previous.nk', previous] as const] : [])]),
    );
  }

  /** Waits until one of its sidecars says of a peer what is wanted. */
  async waitForPeer(
    peer: SiteName,
    what: string,
    wanted: (status: PeerStatus) => boolean,
    ms: number,
  ): Promise<PeerStatus> {
    let found: PeerStatus | undefined;
    const told = async (): Promise<boolean> => {
      for (const sidecar of this.sidecars.values()) {
        // Another fault may have stopped this one, and the other one has the peer.
        const { peers } = await sidecar.status().catch(() => ({ peers: [] as PeerStatus[] }));
        found ??= peers.find((status) => status.lfhId === peer && wanted(status));
      }
      return found !== undefined;
    };
    await until(`${peer} ${what} at ${this.name}`, told, ms, 100);
    return found as PeerStatus;
  }

  /** Waits until the sidecar that transmits to its FHIR server says what is wanted. */
  async waitForTransmission(what: string, wanted: (status: TransmitStatus) => boolean, ms: number): Promise<void> {
    const told = async (): Promise<boolean> => {
      for (const sidecar of this.sidecars.values()) {
        const { transmit = [] } = await sidecar.status().catch(() => ({ transmit: [] }));
        if (transmit.some(wanted)) return true;
      }
      return false;
    };
    await until(`the transmission of ${this.name} ${what}`, told, ms, 100);
  }

  /** Every file that something of this site logs to. */
  get logFiles(): string[] {
    return [
      this.site.nats.logFile,
      ...this.brokers.map(({ logFile }) => logFile),
      ...[...this.sidecars.values()].map(({ logFile }) => logFile),
    ];
  }

  async stopSidecars(): Promise<void> {
    await Promise.all([...this.sidecars.values()].map((sidecar) => sidecar.stop()));
  }

  async stop(): Promise<void> {
    await this.stopSidecars();
    await Promise.all([this.site.stop(), this.cluster?.stop(), this.fhir?.stop()]);
    await this.kafkaLine?.stop();
    await Promise.all([...this.peerLines.values()].map((line) => line.stop()));
  }

  #settings(): Record<string, string> {
    return {
      KAFKA_BOOTSTRAP_SERVERS: JSON.stringify(this.addresses),
      NATS_NK_FILE: join(this.#keys, 'nats-server.nk'),
      LFH_SYNC_PREVIOUS_NK_FILE: join(this.#keys, 'previous.nk'),
      LFH_SYNC_MAX_MESSAGE_BYTES: String(MAX_MESSAGE_BYTES),
      LFH_SYNC_BATCH_MAX_MESSAGES: '100',
      KAFKA_ADMIN_NEW_TOPIC_PARTITIONS: '3',
      LFH_SYNC_LOG_LEVEL: this.name === TALKATIVE ? 'trace' : 'debug',
      'own-ca.crt': this.trusted.get(this.name) ?? this.site.ca.ca,
      ...(this.fhir && {
        LFH_SYNC_FHIR_SERVERS: JSON.stringify([
          { url: this.fhir.url, timeoutSeconds: 2, retry: { maxDelaySeconds: 2 } },
        ]),
      }),
      ...(this.cluster && { KAFKA_ADMIN_NEW_TOPIC_REPLICATION_FACTOR: '3' }),
    };
  }

  #peersOf(): PeerOf[] {
    return this.#peers.map(({ name, site }) => ({
      site,
      ca: this.trusted.get(name) ?? site.ca.ca,
      overrides: {
        servers: [`tls://127.0.0.1:${this.peerLines.get(name)?.port}`],
        allowFormats: allowedFormats(this.name, this.#redrive !== undefined),
        ...(this.#redrive !== undefined && { redrive: { id: this.#redrive } }),
        ...(this.restarts.has(name) && { restart: this.restarts.get(name) }),
      },
    }));
  }
}

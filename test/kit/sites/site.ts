import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type NatsConnection, nkeyAuthenticator, type TlsOptions } from 'nats';
import { createUser, type KeyPair } from 'nkeys.js';
import { durableConfig } from '../../../common/contract/durable.ts';
import { inboxPrefix, SYNC_SUBJECT, syncName } from '../../../common/contract/names.ts';
import { localNatsKey, type UserKey } from '../../../operator/nats/keys.ts';
import { type AdmittedPeer, natsIncludes } from '../../../operator/plan/nats/config.ts';
import { runningWithLogs } from '../running.ts';
import {
  type CertificateAuthority,
  createCertificateAuthority,
  type ServerCertificate,
} from '../servers/certificates.ts';
import { EVENTS_STREAM } from '../servers/events-stream.ts';
import { KafkaServer } from '../servers/kafka.ts';
import { NatsServer, type NatsVersion } from '../servers/nats-server.ts';

const ACCOUNT = 'LFH';

export interface SiteOptions {
  readonly natsVersion?: NatsVersion;
  /** false where a test needs no Kafka. */
  readonly kafka?: boolean;
  readonly kafkaProperties?: Readonly<Record<string, string>>;
  readonly kafkaLogDirectory?: string;
  /** A user who signs in at Kafka's listener with TLS; its certificate is from the site's CA. */
  readonly kafkaUser?: { readonly username: string; readonly password: string };
  /** More of nats-server.conf. */
  readonly natsConfig?: string;
  /** What somebody had to know before it started. */
  readonly prepared?: PreparedSite;
}

/** A site that an operator looks after: named in its LfhSyncNode before it is there, and its accounts are included. */
export interface PreparedSite {
  readonly ca: CertificateAuthority;
  /** In whose name the test does what connect and its administrator do. */
  readonly administrator: KeyPair;
  readonly natsPort: number;
  readonly kafkaPort: number;
  readonly accounts: string;
  /** More of nats-server.conf. */
  readonly natsConfig: string;
}

/**
 * One installation, as a hospital has it: a CA of its own, a nats-server with connect's stream, a Kafka, and a key.
 * All on 127.0.0.1, all in one temporary directory.
 */
export class Site {
  readonly lfhId: string;
  readonly directory: string;
  readonly ca: CertificateAuthority;
  readonly nats: NatsServer;
  /** As peers know it; of no use where an operator makes one. */
  readonly key: KeyPair;
  /** Who may do everything in its account. */
  readonly administrator: KeyPair;
  readonly #kafka: KafkaServer | undefined;
  readonly #peers = new Map<string, AdmittedPeer>();
  #sidecarKeys: readonly KeyPair[] = [];
  readonly #ackWaits = new Map<string, number>();
  readonly #connections: NatsConnection[] = [];
  #failed = false;

  private constructor(parts: {
    lfhId: string;
    directory: string;
    ca: CertificateAuthority;
    nats: NatsServer;
    key: KeyPair;
    administrator: KeyPair;
    kafka: KafkaServer | undefined;
  }) {
    this.lfhId = parts.lfhId;
    this.directory = parts.directory;
    this.ca = parts.ca;
    this.nats = parts.nats;
    this.key = parts.key;
    this.administrator = parts.administrator;
    this.#kafka = parts.kafka;
  }

  static async start(lfhId: string, options: SiteOptions = {}): Promise<Site> {
    const directory = await mkdtemp(join(tmpdir(), `lfh-sync-${syncName(lfhId)}-`));
    const { prepared } = options;
    const key = createUser();
    const administrator = prepared?.administrator ?? createUser();
    const ca = prepared?.ca ?? (await createCertificateAuthority(lfhId));
    const accounts = prepared?.accounts ?? accountsOf(administrator, [key], []);
    const [nats, kafka] = await allOrNone(
      startNats(lfhId, directory, await ca.issue(), accounts, options),
      options.kafka === false ? Promise.resolve(undefined) : startKafka(directory, await ca.issue(), options),
    );
    const site = new Site({ lfhId, directory, ca, nats, key, administrator, kafka });
    runningWithLogs.add(site);
    await site.createStream();
    return site;
  }

  /** A nats-server without TLS, as one that was never configured. */
  static startPlainNats(site: Site): Promise<NatsServer> {
    const accounts = accountsOf(site.administrator, [site.key], []);
    return NatsServer.start({ directory: join(site.directory, 'plain'), name: 'plain', accounts });
  }

  get kafka(): KafkaServer {
    if (!this.#kafka) throw new Error(`${this.lfhId} was started without Kafka`);
    return this.#kafka;
  }

  get publicKey(): string {
    return this.key.getPublicKey();
  }

  get seed(): Uint8Array {
    return this.key.getSeed();
  }

  /** What its sidecars, and an operator, sign in with here. */
  get own(): UserKey {
    return ownKeyOf(this.key);
  }

  /** Signs in as its administrator; also where the certificate is one that nobody else should trust. */
  async connect(): Promise<NatsConnection> {
    const connection = await connect({
      servers: [this.nats.url],
      tls: { rejectUnauthorized: false } as TlsOptions,
      authenticator: nkeyAuthenticator(this.administrator.getSeed()),
      maxReconnectAttempts: -1,
      reconnectTimeWait: 100,
    });
    this.#connections.push(connection);
    return connection;
  }

  /** Makes connect's stream, as connect does at its start. */
  async createStream(): Promise<void> {
    await this.#request('$JS.API.STREAM.CREATE.EVENTS', EVENTS_STREAM);
  }

  /** Deletes the stream with all its durables and makes both anew: everything counts from 1 again. */
  async recreateStream(): Promise<void> {
    await this.#request('$JS.API.STREAM.DELETE.EVENTS', {});
    await this.createStream();
    for (const { lfhId } of this.#peers.values()) await this.createDurable(lfhId, this.#ackWaits.get(lfhId));
  }

  /** Removes the messages before a sequence, as their age would. */
  async purge(firstKept: number): Promise<void> {
    await this.#request('$JS.API.STREAM.PURGE.EVENTS', { seq: firstKept });
  }

  /** Lets another node receive from this one: account, user, permissions and durable, as the operator will make them. */
  async grantAccess(
    peer: { readonly lfhId: string } & ({ readonly publicKey: string } | { readonly publicKeys: readonly string[] }),
    ackWaitMs?: number,
  ): Promise<void> {
    const publicKeys = 'publicKeys' in peer ? peer.publicKeys : [peer.publicKey];
    this.#peers.set(peer.lfhId, { lfhId: peer.lfhId, publicKeys });
    if (ackWaitMs !== undefined) this.#ackWaits.set(peer.lfhId, ackWaitMs);
    await this.createDurable(peer.lfhId, ackWaitMs);
    await this.#reloadAccounts();
    // nats-server 2.15.2 connects a new account's imports only at the reload after the one that adds it (ADR 5).
    await this.nats.reload({});
  }

  /** Takes the access away again; the live connection ends with it. */
  async revokeAccess(lfhId: string): Promise<void> {
    this.#peers.delete(lfhId);
    await this.#reloadAccounts();
  }

  /** With which node's keys its sidecars may run here, besides the site's own. */
  async setSidecarKeys(keys: readonly KeyPair[]): Promise<void> {
    this.#sidecarKeys = keys;
    await this.#reloadAccounts();
  }

  async createDurable(lfhId: string, ackWaitMs?: number): Promise<void> {
    const config = durableConfig(lfhId, ackWaitMs);
    await this.#request(`$JS.API.CONSUMER.DURABLE.CREATE.EVENTS.${config.durable_name}`, {
      stream_name: 'EVENTS',
      config,
    });
  }

  async deleteDurable(lfhId: string): Promise<void> {
    await this.#request(`$JS.API.CONSUMER.DELETE.EVENTS.${syncName(lfhId)}`, {});
  }

  /** How many messages the stream holds. */
  async streamMessages(): Promise<number> {
    const { state } = (await this.#request('$JS.API.STREAM.INFO.EVENTS', {})) as { state: { messages: number } };
    return state.messages;
  }

  async deleteTopic(topic: string): Promise<void> {
    const admin = this.kafka.client().admin();
    await admin.connect();
    await admin.deleteTopics({ topics: [topic] });
    await admin.disconnect();
  }

  /** Holds back everything a durable has to deliver, or lets it go on. */
  async pauseDurable(lfhId: string, paused: boolean): Promise<void> {
    const body = paused ? { pause_until: new Date(Date.now() + 3_600_000).toISOString() } : {};
    await this.#request(`$JS.API.CONSUMER.PAUSE.EVENTS.${syncName(lfhId)}`, body);
  }

  /** What the durable of a peer says of itself. */
  async durableInfo(lfhId: string): Promise<DurableInfo> {
    return (await this.#request(`$JS.API.CONSUMER.INFO.EVENTS.${syncName(lfhId)}`, {})) as DurableInfo;
  }

  /** Announces messages on EVENTS.sync as connect does: no headers, no message id, each stored before the next. */
  async announce(payloads: readonly Uint8Array[], subject = SYNC_SUBJECT): Promise<void> {
    const connection = await this.connect();
    const jetstream = connection.jetstream();
    const flight = 500;
    for (let start = 0; start < payloads.length; start += flight) {
      await Promise.all(payloads.slice(start, start + flight).map((payload) => jetstream.publish(subject, payload)));
    }
    await connection.close();
  }

  /** Signs in to this site as an admitted peer would. */
  async connectAs(peer: Pick<Site, 'lfhId' | 'seed'>): Promise<NatsConnection> {
    const connection = await connect({
      servers: [this.nats.url],
      tls: { ca: this.ca.ca },
      authenticator: nkeyAuthenticator(peer.seed),
      inboxPrefix: inboxPrefix(syncName(peer.lfhId)),
      reconnect: false,
    });
    this.#connections.push(connection);
    return connection;
  }

  /** Writes a file into the site's directory and tells its path. */
  async file(name: string, content: string | Uint8Array): Promise<string> {
    const path = join(this.directory, name);
    await writeFile(path, content);
    return path;
  }

  /** Stops everything. The directory stays, for its logs, when a test failed meanwhile or LFH_SYNC_KEEP is set. */
  async stop(): Promise<void> {
    runningWithLogs.delete(this);
    await Promise.all(this.#connections.map((connection) => connection.close()));
    await Promise.all([this.nats.stop(), this.#kafka?.stop()]);
    if (this.#failed || process.env.LFH_SYNC_KEEP) await this.#tellLogs();
    else await rm(this.directory, { recursive: true, force: true });
  }

  /** Keeps the directory: a test failed while this site ran. */
  keepLogs(): void {
    this.#failed = true;
  }

  async #tellLogs(): Promise<void> {
    const files = await readdir(this.directory, { recursive: true });
    const logs = files.filter((file) => file.endsWith('.log') && !file.includes('records/')).sort();
    const paths = logs.map((file) => `  ${join(this.directory, file)}\n`);
    process.stderr.write(`kept the logs of ${this.lfhId}:\n${paths.join('')}`);
  }

  #reloadAccounts(): Promise<void> {
    const keys = [this.key, ...this.#sidecarKeys];
    return this.nats.reload({ accounts: accountsOf(this.administrator, keys, [...this.#peers.values()]) });
  }

  async #request(subject: string, body: unknown): Promise<unknown> {
    const connection = await this.connect();
    try {
      const answer = await connection.request(subject, JSON.stringify(body), { timeout: 5_000 });
      const parsed = answer.json<{ error?: { description: string } }>();
      if (parsed.error) throw new Error(`${subject}: ${parsed.error.description}`);
      return parsed;
    } finally {
      await connection.close();
    }
  }
}

function startNats(
  lfhId: string,
  directory: string,
  certificate: ServerCertificate,
  accounts: string,
  { prepared, natsVersion, natsConfig }: SiteOptions,
): Promise<NatsServer> {
  return NatsServer.start({
    directory: join(directory, 'nats'),
    name: `nats-${syncName(lfhId)}`,
    certificate,
    accounts,
    ...(prepared && { port: prepared.natsPort }),
    ...(natsVersion && { version: natsVersion }),
    extra: [natsConfig, prepared?.natsConfig].filter(Boolean).join('\n'),
  });
}

function startKafka(directory: string, certificate: ServerCertificate, options: SiteOptions): Promise<KafkaServer> {
  const { prepared, kafkaProperties, kafkaLogDirectory, kafkaUser } = options;
  return KafkaServer.start({
    directory: join(directory, 'kafka'),
    ...(prepared && { port: prepared.kafkaPort }),
    ...(kafkaProperties && { properties: kafkaProperties }),
    ...(kafkaLogDirectory && { logDirectory: kafkaLogDirectory }),
    ...(kafkaUser && { secure: { ...kafkaUser, certificate } }),
  });
}

export interface DurableInfo {
  readonly delivered: { readonly consumer_seq: number; readonly stream_seq: number };
  readonly ack_floor: { readonly consumer_seq: number; readonly stream_seq: number };
  readonly num_ack_pending: number;
  readonly num_pending: number;
  readonly num_waiting: number;
}

/** @param nodeKeys as peers know them; whom they let in here is derived */
function accountsOf(administrator: KeyPair, nodeKeys: readonly KeyPair[], peers: readonly AdmittedPeer[]): string {
  const own = nodeKeys.map((key) => ownKeyOf(key).publicKey);
  const includes = natsIncludes({ account: ACCOUNT, own, users: [administrator.getPublicKey()], peers });
  return `${ACCOUNT} {\n  jetstream: enabled\n${includes.mainAccount}}\n${includes.peerAccounts}`;
}

function ownKeyOf(key: KeyPair): UserKey {
  return localNatsKey(new TextDecoder().decode(key.getSeed()));
}

/** Like Promise.all, but stops what did start when something else did not: it would keep the process from ending. */
async function allOrNone<A extends Stoppable, B extends Stoppable | undefined>(
  one: Promise<A>,
  other: Promise<B>,
): Promise<[A, B]> {
  const outcomes = await Promise.allSettled([one, other]);
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (!failed) return [await one, await other];
  for (const outcome of outcomes) if (outcome.status === 'fulfilled') await outcome.value?.stop();
  throw failed.reason;
}

interface Stoppable {
  stop(): Promise<void>;
}

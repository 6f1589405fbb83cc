import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type NatsConnection, nkeyAuthenticator, type TlsOptions } from 'nats';
import { createUser, type KeyPair } from 'nkeys.js';
import {
  type Client,
  durableConfig,
  durableName,
  infoSubject,
  pushDurableConfig,
} from '../../../common/contract/durable.ts';
import { inboxPrefix, STREAM, SYNC_SUBJECT, syncName } from '../../../common/contract/names.ts';
import { localNatsKey, sidecarNatsKey, type UserKey } from '../../../operator/nats/keys.ts';
import { type AdmittedPeer, type NatsAccess, natsIncludes } from '../../../operator/plan/nats/permissions.ts';
import { runningWithLogs } from '../running.ts';
import { backupAndRestore } from '../servers/backup.ts';
import {
  type CertificateAuthority,
  type CertificateOptions,
  createCertificateAuthority,
  type ServerCertificate,
} from '../servers/certificates.ts';
import { CONNECTS_OWN, EVENTS_STREAM } from '../servers/events-stream.ts';
import { KafkaServer } from '../servers/kafka.ts';
import { NatsServer, type NatsVersion } from '../servers/nats-server.ts';

const ACCOUNT = 'LFH';
type Isolation = NonNullable<NatsAccess['isolation']>;
/** How long the test's own connections wait for nats-server. At a load of 40 the 20 s of the library were too short. */
const PATIENCE_MS = 60_000;

export interface SiteOptions {
  readonly natsVersion?: NatsVersion;
  /** Whether its peers have an account each, which is the default, or are users of the site's account. */
  readonly isolation?: Isolation;
  /** false where a test needs no Kafka. */
  readonly kafka?: boolean;
  /** Where its servers listen; `[::1]` for a site that has IPv6 only. */
  readonly host?: '127.0.0.1' | '[::1]';
  readonly kafkaProperties?: Readonly<Record<string, string>>;
  readonly kafkaLogDirectory?: string;
  /** Where its Kafka listens, for a test that puts something in front of it; by default any free port. */
  readonly kafkaPort?: number;
  /** A user who signs in at Kafka's listener with TLS; its certificate is from the site's CA. */
  readonly kafkaUser?: { readonly username: string; readonly password: string };
  /** More of nats-server.conf. */
  readonly natsConfig?: string;
  /** What had to be known before the site was started. */
  readonly prepared?: PreparedSite;
}

/** A site of which an LfhSyncNode speaks before it is started. Its nats-server includes the accounts that an operator writes. */
export interface PreparedSite {
  readonly ca: CertificateAuthority;
  /** The certificate of its nats-server, where it is not as usual. */
  readonly certificate?: CertificateOptions | undefined;
  /** The key that the test signs in with where it acts as connect or as its administrator. */
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
  /** The key that peers know. Where an operator makes the key, this one is not used. */
  readonly key: KeyPair;
  /** The key of a user who may do everything in the site's account. */
  readonly administrator: KeyPair;
  readonly #isolation: Isolation | undefined;
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
    isolation: Isolation | undefined;
    kafka: KafkaServer | undefined;
  }) {
    this.lfhId = parts.lfhId;
    this.directory = parts.directory;
    this.ca = parts.ca;
    this.nats = parts.nats;
    this.key = parts.key;
    this.administrator = parts.administrator;
    this.#isolation = parts.isolation;
    this.#kafka = parts.kafka;
  }

  static async start(lfhId: string, options: SiteOptions = {}): Promise<Site> {
    const directory = await mkdtemp(join(tmpdir(), `lfh-sync-${syncName(lfhId)}-`));
    const { prepared, isolation } = options;
    const key = createUser();
    const administrator = prepared?.administrator ?? createUser();
    const ca = prepared?.ca ?? (await createCertificateAuthority(lfhId));
    const accounts = prepared?.accounts ?? accountsOf(lfhId, administrator, [key], [], isolation);
    const [nats, kafka] = await allOrNone(
      startNats(lfhId, directory, await ca.issue(prepared?.certificate), accounts, options),
      options.kafka === false ? Promise.resolve(undefined) : startKafka(directory, await ca.issue(), options),
    );
    const site = new Site({ lfhId, directory, ca, nats, key, administrator, isolation, kafka });
    runningWithLogs.add(site);
    await site.createStream();
    return site;
  }

  /** Starts a nats-server without TLS, like one that was never configured. */
  static startPlainNats(site: Site): Promise<NatsServer> {
    const accounts = accountsOf(site.lfhId, site.administrator, [site.key], []);
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

  /** The key that its operator signs in with at this site. */
  get own(): UserKey {
    return localNatsKey(seedOf(this.key));
  }

  /** The key that its sidecars sign in with at this site. */
  get sidecarUser(): UserKey {
    return sidecarNatsKey(seedOf(this.key));
  }

  /** Signs in as the administrator, whatever certificate the server has. */
  async connect(): Promise<NatsConnection> {
    const connection = await connect({
      servers: [this.nats.url],
      tls: { rejectUnauthorized: false } as TlsOptions,
      authenticator: nkeyAuthenticator(this.administrator.getSeed()),
      maxReconnectAttempts: -1,
      timeout: PATIENCE_MS,
      reconnectTimeWait: 100,
    });
    this.#connections.push(connection);
    return connection;
  }

  /** Makes connect's stream, as connect does at its start. */
  async createStream(): Promise<void> {
    await this.#request('$JS.API.STREAM.CREATE.EVENTS', EVENTS_STREAM);
  }

  /** Deletes the stream with all its durables and creates both again. All sequences start at 1. */
  async recreateStream(): Promise<void> {
    await this.#request('$JS.API.STREAM.DELETE.EVENTS', {});
    await this.createStream();
    for (const { lfhId } of this.#peers.values()) await this.createDurable(lfhId, this.#ackWaits.get(lfhId));
  }

  /** Removes the messages before a sequence, as their age would. */
  async purge(firstKept: number): Promise<void> {
    await this.#request('$JS.API.STREAM.PURGE.EVENTS', { seq: firstKept });
  }

  /** Restarts nats-server, and copies what it has stored while it is down. @returns the copy */
  async copyStore(): Promise<string> {
    const copy = await mkdtemp(join(this.directory, 'copy-'));
    await this.nats.stop();
    await cp(this.nats.storeDirectory, copy, { recursive: true });
    await this.nats.start();
    return copy;
  }

  /** Restarts nats-server with what it had stored when the copy was made, as after a restore of its disk. */
  async putStoreBack(copy: string): Promise<void> {
    await this.nats.stop();
    await rm(this.nats.storeDirectory, { recursive: true });
    await cp(copy, this.nats.storeDirectory, { recursive: true });
    await this.nats.start();
  }

  /** Takes the stream through a backup and a restore of JetStream's API, which gives it a new identity. */
  async restoreStream(): Promise<void> {
    const connection = await this.connect();
    try {
      await backupAndRestore(connection);
    } finally {
      await connection.close();
    }
    for (const { lfhId } of this.#peers.values()) await this.createDurable(lfhId, this.#ackWaits.get(lfhId));
  }

  /** Deletes one message of the stream. */
  async deleteMessage(sequence: number): Promise<void> {
    await this.#request('$JS.API.STREAM.MSG.DELETE.EVENTS', { seq: sequence });
  }

  /** Lets another node receive from this one. Account, user, permissions and durable are those that the operator makes. */
  async grantAccess(
    peer: { readonly lfhId: string; readonly client?: Client } & (
      | { readonly publicKey: string }
      | { readonly publicKeys: readonly string[] }
    ),
    ackWaitMs?: number,
  ): Promise<void> {
    const publicKeys = 'publicKeys' in peer ? peer.publicKeys : [peer.publicKey];
    const { lfhId, client = 'Sidecar' } = peer;
    this.#peers.set(lfhId, { lfhId, publicKeys, client });
    if (ackWaitMs !== undefined) this.#ackWaits.set(peer.lfhId, ackWaitMs);
    await this.createDurable(peer.lfhId, ackWaitMs);
    await this.#reloadAccounts();
    // nats-server 2.15.2 connects a new account's imports only at the reload after the one that adds it (ADR 5).
    await this.nats.reload({});
  }

  /** Revokes that access. The server then closes the peer's live connection. */
  async revokeAccess(lfhId: string): Promise<void> {
    this.#peers.delete(lfhId);
    await this.#reloadAccounts();
  }

  /** Sets the keys, besides the site's own, that its sidecars may use here. */
  async setSidecarKeys(keys: readonly KeyPair[]): Promise<void> {
    this.#sidecarKeys = keys;
    await this.#reloadAccounts();
  }

  async createDurable(lfhId: string, ackWaitMs?: number): Promise<void> {
    const { client } = this.#peers.get(lfhId) ?? {};
    const config = client === 'Connect' ? pushDurableConfig(lfhId) : durableConfig(lfhId, ackWaitMs);
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

  /** The server's own report on the durable of a peer. */
  async durableInfo(lfhId: string, client: Client = 'Sidecar'): Promise<DurableInfo> {
    return (await this.#request(infoSubject(STREAM, durableName(lfhId, client)), {})) as DurableInfo;
  }

  /** Makes the durable through which this site's own connect receives its own messages, as connect does at its start. */
  async makeConnectsOwnDurable(): Promise<void> {
    await this.#request('$JS.API.CONSUMER.DURABLE.CREATE.EVENTS.SYNC', { stream_name: STREAM, config: CONNECTS_OWN });
  }

  /** Announces messages on EVENTS.sync as connect does: no headers, no message id, each stored before the next. */
  async announce(payloads: readonly Uint8Array[], subject = SYNC_SUBJECT): Promise<void> {
    const connection = await this.connect();
    const jetstream = connection.jetstream({ timeout: PATIENCE_MS });
    const flight = 500;
    for (let start = 0; start < payloads.length; start += flight) {
      await Promise.all(payloads.slice(start, start + flight).map((payload) => jetstream.publish(subject, payload)));
    }
    await connection.close();
  }

  /** What its stream holds on EVENTS.app_sync, in its order. */
  appSync(): Promise<StreamMessage[]> {
    return this.onSubject('EVENTS.app_sync');
  }

  /** What its stream holds on one subject, in its order. */
  async onSubject(subject: string): Promise<StreamMessage[]> {
    const connection = await this.connect();
    try {
      const jetstream = connection.jetstream({ timeout: PATIENCE_MS });
      const consumer = await jetstream.consumers.get('EVENTS', { filterSubjects: subject });
      const found: StreamMessage[] = [];
      let { num_pending: missing } = await consumer.info();
      while (missing > 0) {
        for await (const message of await consumer.fetch({ max_messages: Math.min(missing, 500) })) {
          found.push({ id: message.headers?.get('Nats-Msg-Id') ?? '', data: Buffer.from(message.data) });
          missing -= 1;
        }
      }
      return found;
    } finally {
      await connection.close();
    }
  }

  /** Signs in to this site as an admitted peer would. @param ca what it trusts, where that is not the site's first CA */
  async connectAs(peer: Pick<Site, 'lfhId' | 'seed'>, ca = this.ca.ca): Promise<NatsConnection> {
    const connection = await connect({
      servers: [this.nats.url],
      tls: { ca },
      authenticator: nkeyAuthenticator(peer.seed),
      inboxPrefix: inboxPrefix(syncName(peer.lfhId)),
      reconnect: false,
      timeout: PATIENCE_MS,
    });
    this.#connections.push(connection);
    return connection;
  }

  /** Writes a file into the site's directory. @returns its path */
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
    if (this.#failed || process.env.LFH_SYNC_KEEP) await this.#printLogs();
    else await rm(this.directory, { recursive: true, force: true });
  }

  /** Keeps the directory: a test failed while this site ran. */
  keepLogs(): void {
    this.#failed = true;
  }

  async #printLogs(): Promise<void> {
    const files = await readdir(this.directory, { recursive: true });
    const logs = files.filter((file) => file.endsWith('.log') && !file.includes('records/')).sort();
    const paths = logs.map((file) => `  ${join(this.directory, file)}\n`);
    process.stderr.write(`kept the logs of ${this.lfhId}:\n${paths.join('')}`);
  }

  #reloadAccounts(): Promise<void> {
    const keys = [this.key, ...this.#sidecarKeys];
    const peers = [...this.#peers.values()];
    return this.nats.reload({ accounts: accountsOf(this.lfhId, this.administrator, keys, peers, this.#isolation) });
  }

  async #request(subject: string, body: unknown): Promise<unknown> {
    const connection = await this.connect();
    try {
      const answer = await connection.request(subject, JSON.stringify(body), { timeout: PATIENCE_MS });
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
  { prepared, host, natsVersion, natsConfig }: SiteOptions,
): Promise<NatsServer> {
  return NatsServer.start({
    directory: join(directory, 'nats'),
    name: `nats-${syncName(lfhId)}`,
    certificate,
    accounts,
    ...(host && { host }),
    ...(prepared && { port: prepared.natsPort }),
    ...(natsVersion && { version: natsVersion }),
    extra: [natsConfig, prepared?.natsConfig].filter(Boolean).join('\n'),
  });
}

function startKafka(directory: string, certificate: ServerCertificate, options: SiteOptions): Promise<KafkaServer> {
  const { prepared, host, kafkaProperties, kafkaLogDirectory, kafkaPort, kafkaUser } = options;
  const port = kafkaPort ?? prepared?.kafkaPort;
  return KafkaServer.start({
    directory: join(directory, 'kafka'),
    ...(port !== undefined && { port }),
    ...(host && { host }),
    ...(kafkaProperties && { properties: kafkaProperties }),
    ...(kafkaLogDirectory && { logDirectory: kafkaLogDirectory }),
    ...(kafkaUser && { secure: { ...kafkaUser, certificate } }),
  });
}

export interface StreamMessage {
  /** Nats-Msg-Id; empty without one. */
  readonly id: string;
  readonly data: Buffer;
}

export interface DurableInfo {
  readonly delivered: { readonly consumer_seq: number; readonly stream_seq: number };
  readonly ack_floor: { readonly consumer_seq: number; readonly stream_seq: number };
  readonly num_ack_pending: number;
  readonly num_pending: number;
  readonly num_waiting: number;
}

/** @param nodeKeys the keys that peers know. The users that are admitted here are derived from them. */
function accountsOf(
  lfhId: string,
  administrator: KeyPair,
  nodeKeys: readonly KeyPair[],
  peers: readonly AdmittedPeer[],
  isolation: Isolation = 'Accounts',
): string {
  const own = nodeKeys.map((key) => localNatsKey(seedOf(key)).publicKey);
  const publicKeys = nodeKeys.map((key) => sidecarNatsKey(seedOf(key)).publicKey);
  const sidecars = { publicKeys, lfhId, node: 'local' };
  const users = [administrator.getPublicKey()];
  const includes = natsIncludes({ account: ACCOUNT, isolation, own, sidecars, users, peers });
  return `${ACCOUNT} {\n  jetstream: enabled\n${includes.mainAccount}}\n${includes.peerAccounts}`;
}

function seedOf(key: KeyPair): string {
  return new TextDecoder().decode(key.getSeed());
}

/** Like Promise.all. When one of them fails, it stops the other, which would otherwise keep the process from ending. */
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

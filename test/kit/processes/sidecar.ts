import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { syncName } from '../../../common/contract/names.ts';
import type { PeerStatus, SidecarStatus } from '../../../common/contract/status.ts';
import type { Site } from '../sites/site.ts';
import { freePort, ServerProcess, until } from './process.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');

/** Another site as a peer in the settings of a sidecar. Any field of the peer can be overridden. */
export interface PeerOf {
  readonly site: Site;
  readonly overrides?: Readonly<Record<string, unknown>>;
  /** The CA to trust, where it is not that of the site. */
  readonly ca?: string;
}

export interface SidecarOptions {
  readonly peers: readonly PeerOf[];
  /** Any settings, by name. */
  readonly settings?: Readonly<Record<string, string>>;
  /** The program to run instead of the product's main. */
  readonly main?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly name?: string;
}

/** A sidecar of a site as a process of its own. Its settings are in a directory, as if a ConfigMap were mounted. */
export class SidecarProcess {
  readonly #site: Site;
  readonly #options: SidecarOptions;
  readonly #directory: string;
  readonly #port: number;
  #process: ServerProcess | undefined;

  private constructor(site: Site, options: SidecarOptions, directory: string, port: number) {
    this.#site = site;
    this.#options = options;
    this.#directory = directory;
    this.#port = port;
  }

  /** Starts a sidecar and waits until it answers over HTTP. It may not replay anything yet. */
  static async start(site: Site, options: SidecarOptions): Promise<SidecarProcess> {
    const port = await freePort();
    const sidecar = new SidecarProcess(site, options, join(site.directory, `sidecar-${port}`), port);
    await sidecar.configure(options.peers, options.settings);
    await sidecar.start();
    return sidecar;
  }

  /** Starts a sidecar whose settings the caller mounts in `settings` below `directory`, as an operator has it injected. */
  static async startMounted(site: Site, directory: string, main?: string): Promise<SidecarProcess> {
    const port = await freePort();
    const env = {
      LFH_SYNC_SECRETS_DIR: join(directory, 'settings', 'secrets'),
      LFH_SYNC_HTTP_ADDRESS: `127.0.0.1:${port}`,
      LFH_SYNC_LOG_LEVEL: 'trace',
    };
    const sidecar = new SidecarProcess(site, { peers: [], env, ...(main !== undefined && { main }) }, directory, port);
    await sidecar.start();
    return sidecar;
  }

  get logFile(): string {
    return join(this.#directory, 'sidecar.log');
  }

  /** What says where its settings are. */
  get environment(): NodeJS.ProcessEnv {
    return { LFH_SYNC_SETTINGS_DIR: join(this.#directory, 'settings'), ...this.#options.env };
  }

  get process(): ServerProcess {
    if (!this.#process) throw new Error('the sidecar was never started');
    return this.#process;
  }

  /** Writes the settings. A running sidecar takes them up by itself. */
  async configure(peers: readonly PeerOf[], settings: Readonly<Record<string, string>> = {}): Promise<void> {
    const directory = join(this.#directory, 'settings');
    await mkdir(directory, { recursive: true });
    const site = this.#site;
    const files: Record<string, string | Uint8Array> = {
      CONNECT_LFH_ID: site.lfhId,
      CONNECT_CA_FILE: 'own-ca.crt',
      'own-ca.crt': site.ca.ca,
      NATS_SERVERS: JSON.stringify([site.nats.url]),
      NATS_NK_FILE: 'nats-server.nk',
      'nats-server.nk': site.seed,
      // Where the site has no Kafka, the test names brokers.
      KAFKA_BOOTSTRAP_SERVERS: settings.KAFKA_BOOTSTRAP_SERVERS ?? JSON.stringify(site.kafka.brokers),
      LFH_SYNC_HTTP_ADDRESS: `127.0.0.1:${this.#port}`,
      LFH_SYNC_LOG_LEVEL: 'debug',
      ...settings,
    };
    const entries = peers.map(({ site: peer, overrides, ca }) => {
      const caFile = `ca-${syncName(peer.lfhId)}.crt`;
      files[caFile] = ca ?? peer.ca.ca;
      return { name: nameOf(peer), lfhId: peer.lfhId, servers: [peer.nats.url], caFile, ...overrides };
    });
    // Last, since it refers to the others.
    files.LFH_SYNC_PEERS = JSON.stringify(entries);
    for (const [name, content] of Object.entries(files)) await writeFile(join(directory, name), content);
  }

  /** Changes a mounted file in place, as no kubelet does. It stays so until the next change in the cluster. */
  mountInstead(name: string, content: string): Promise<void> {
    return writeFile(join(this.#directory, 'settings', name), content);
  }

  async start(): Promise<void> {
    const command = [process.execPath, this.#options.main ?? join(ROOT, 'sidecar', 'main.ts')];
    const { environment: env } = this;
    this.#process = new ServerProcess(
      this.#options.name ?? `sidecar of ${this.#site.lfhId}`,
      command,
      this.logFile,
      env,
    );
    await this.#process.ready(async () => (await this.#get('/healthz')).ok, 60_000);
  }

  stop(): Promise<void> {
    return this.process.stop(60_000);
  }

  kill(): Promise<void> {
    return this.process.kill();
  }

  async status(): Promise<SidecarStatus> {
    return (await (await this.#get('/status')).json()) as SidecarStatus;
  }

  async metrics(): Promise<string> {
    return (await this.#get('/metrics')).text();
  }

  async isReady(): Promise<boolean> {
    return (await this.#get('/readyz')).ok;
  }

  async peer(site: Site): Promise<PeerStatus> {
    const { peers } = await this.status();
    const found = peers.find(({ lfhId }) => lfhId === site.lfhId);
    if (!found) throw new Error(`the sidecar of ${this.#site.lfhId} does not know ${site.lfhId}`);
    return found;
  }

  /** Waits until a peer's status is as wanted. @throws with the status that it has instead */
  async waitForPeer(
    site: Site,
    what: string,
    wanted: (status: PeerStatus) => boolean,
    timeoutMs = 60_000,
  ): Promise<PeerStatus> {
    let last: PeerStatus | undefined;
    const condition = async (): Promise<boolean> => {
      last = await this.peer(site);
      return wanted(last);
    };
    await until(`${site.lfhId} ${what}`, condition, timeoutMs, 50).catch((error: Error) => {
      throw new Error(`${error.message}; it is ${JSON.stringify(last)}`, { cause: error });
    });
    return last as PeerStatus;
  }

  waitUntilReplaying(site: Site, timeoutMs?: number): Promise<PeerStatus> {
    return this.waitForPeer(site, 'is replayed', ({ reason }) => reason === 'Replaying', timeoutMs);
  }

  /** Waits until a line of its log matches. */
  waitForLog(pattern: RegExp, timeoutMs = 60_000): Promise<void> {
    return until(`the log says ${pattern}`, async () => pattern.test(await this.log()), timeoutMs, 100);
  }

  log(): Promise<string> {
    return readFile(this.logFile, 'utf8');
  }

  #get(path: string): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.#port}${path}`, { signal: AbortSignal.timeout(10_000) });
  }
}

/** The name of a peer in the settings has to be a Kubernetes name. */
function nameOf(site: Site): string {
  return syncName(site.lfhId).toLowerCase().replaceAll('_', '-');
}

/** Settings with which a sidecar signs in at the Kafka of its site by a password, over TLS. */
export async function signsInAtKafka(
  site: Site,
  user: { readonly username: string; readonly password: string },
): Promise<Record<string, string>> {
  return {
    KAFKA_BOOTSTRAP_SERVERS: site.kafka.secureBrokers.join(),
    LFH_SYNC_KAFKA_TLS: 'true',
    LFH_SYNC_KAFKA_CA_FILE: 'own-ca.crt',
    LFH_SYNC_KAFKA_SASL_MECHANISM: 'plain',
    LFH_SYNC_KAFKA_SASL_USERNAME: user.username,
    LFH_SYNC_KAFKA_SASL_PASSWORD_FILE: await site.file('kafka-password', user.password),
  };
}

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cached, execute } from '../../../image/cache.ts';
import { goInstall } from '../build/go-build.ts';
import { freePort, ServerProcess, until } from '../processes/process.ts';
import type { ServerCertificate } from './certificates.ts';

/** The one we are made for, and one from before resets (2.14) and stream identities (2.15). */
export const NATS_VERSIONS = { current: 'v2.15.2', beforeReset: 'v2.12.15' } as const;
export type NatsVersion = keyof typeof NATS_VERSIONS;
/** The newest that connect as it is shipped runs with. */
const UPSTREAM_NATS = 'v2.7.4';
export type AnyVersion = NatsVersion | 'upstream';

const GIVEN: Readonly<Record<AnyVersion, string>> = {
  current: 'NATS_SERVER',
  beforeReset: 'NATS_SERVER_BEFORE_RESET',
  upstream: 'NATS_SERVER_UPSTREAM',
};

/** Finds the program: the environment variable, then PATH when its version is the one wanted, then the cache, or builds it. */
export async function natsServerProgram(version: AnyVersion = 'current'): Promise<string> {
  const given = process.env[GIVEN[version]];
  if (given) return given;
  const wanted = version === 'upstream' ? UPSTREAM_NATS : NATS_VERSIONS[version];
  const found = await execute('nats-server', ['--version']).catch(() => undefined);
  if (found?.stdout.trim().endsWith(wanted)) return 'nats-server';
  const place = await cached(`nats-server-${wanted}`, `nats-server ${wanted} with Go, about 45 s`, (into) =>
    goInstall(`github.com/nats-io/nats-server/v2@${wanted}`, into),
  );
  return join(place, 'nats-server');
}

export interface NatsOptions {
  readonly directory: string;
  readonly name: string;
  /** `[::1]` for a server that has IPv6 only. */
  readonly host?: '127.0.0.1' | '[::1]';
  /** Absent: any free one. */
  readonly port?: number;
  readonly version?: AnyVersion;
  /** Absent: no TLS at all, which a peer must refuse. */
  readonly certificate?: ServerCertificate;
  /** What goes inside `accounts { … }`. */
  readonly accounts: string;
  /** Further lines of the configuration, as they are. */
  readonly extra?: string;
}

/** A real nats-server on 127.0.0.1, with JetStream, stopped and started at will on the same port and store. */
export class NatsServer {
  readonly #options: NatsOptions;
  readonly #program: string;
  readonly #configFile: string;
  readonly port: number;
  #accounts: string;
  #certificate: ServerCertificate | undefined;
  #process: ServerProcess | undefined;
  #isReady = false;
  #reloadWhenReady = false;

  private constructor(options: NatsOptions, program: string, port: number) {
    this.#options = options;
    this.#program = program;
    this.#accounts = options.accounts;
    this.#certificate = options.certificate;
    this.#configFile = join(options.directory, 'nats-server.conf');
    this.port = port;
  }

  static async start(options: NatsOptions): Promise<NatsServer> {
    await mkdir(options.directory, { recursive: true });
    const server = new NatsServer(
      options,
      await natsServerProgram(options.version),
      options.port ?? (await freePort()),
    );
    await server.start();
    return server;
  }

  get host(): string {
    return `${this.#options.host ?? '127.0.0.1'}:${this.port}`;
  }

  get url(): string {
    return `${this.#certificate ? 'tls' : 'nats'}://${this.host}`;
  }

  /** The certificate that it shows, PEM; undefined without TLS. */
  get certificate(): string | undefined {
    return this.#certificate?.cert;
  }

  get logFile(): string {
    return join(this.#options.directory, 'nats-server.log');
  }

  /** Where JetStream keeps everything. */
  get storeDirectory(): string {
    return join(this.#options.directory, 'jetstream');
  }

  get process(): ServerProcess {
    if (!this.#process) throw new Error('the nats-server was never started');
    return this.#process;
  }

  async start(): Promise<void> {
    await this.#writeConfig();
    const server = new ServerProcess(this.#options.name, [this.#program, '-c', this.#configFile], this.logFile);
    this.#process = server;
    this.#isReady = false;
    await server.ready(() => server.output().includes(READY), 60_000);
    this.#isReady = true;
    if (this.#reloadWhenReady) this.signalReload();
  }

  /** Makes it reload its configuration. While it is starting, the signal would end it, so it is sent when it is ready. */
  signalReload(): void {
    this.#reloadWhenReady = !this.#isReady;
    if (this.#isReady) this.process.signal('SIGHUP');
  }

  stop(): Promise<void> {
    return this.process.stop();
  }

  kill(): Promise<void> {
    return this.process.kill();
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /**
   * Takes up new accounts or a new certificate, as an administrator does: SIGHUP. Resolves when the log says so.
   *
   * @throws with what nats-server says when it refuses the configuration: it goes on with the one it has
   */
  async reload(change: { accounts?: string; certificate?: ServerCertificate }): Promise<void> {
    const [accounts, certificate] = [this.#accounts, this.#certificate];
    this.#accounts = change.accounts ?? accounts;
    this.#certificate = change.certificate ?? certificate;
    await this.#writeConfig();
    const outcomes = (): string[] => this.process.output().match(RELOAD_ENDED) ?? [];
    const before = outcomes().length;
    this.process.signal('SIGHUP');
    await until('nats-server reloaded', () => outcomes().length > before);
    const outcome = outcomes().at(-1) ?? '';
    if (outcome.startsWith('Reloaded')) return;
    [this.#accounts, this.#certificate] = [accounts, certificate];
    await this.#writeConfig();
    throw new Error(outcome);
  }

  async #writeConfig(): Promise<void> {
    const { directory, name, extra } = this.#options;
    const tls = this.#certificate;
    const [cert, key] = [join(directory, 'server.pem'), join(directory, 'server.key')];
    if (tls) {
      await writeFile(cert, tls.cert);
      await writeFile(key, tls.key, { mode: 0o600 });
    }
    const config = [
      `server_name: ${JSON.stringify(name)}`,
      `listen: "${this.host}"`,
      `jetstream { store_dir: ${JSON.stringify(this.storeDirectory)}, max_file: 4G }`,
      tls ? `tls { cert_file: ${JSON.stringify(cert)}, key_file: ${JSON.stringify(key)} }` : '',
      `accounts {\n${this.#accounts}\n}`,
      extra ?? '',
    ];
    await writeFile(this.#configFile, config.join('\n'));
  }
}

const READY = 'Server is ready';
const RELOAD_ENDED = /(Reloaded|Failed to reload) server configuration.*/g;

import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { cached, execute } from '../../../image/cache.ts';
import { freePort, ServerProcess } from '../processes/process.ts';
import type { ServerCertificate } from './certificates.ts';

const VERSION = '4.3.1';
/** 16 bytes in base64url; any will do, since no two of these clusters ever meet. */
const CLUSTER_ID = 'bGZoLXN5bmMtZm9yLXRlc3Q';
/** It takes 3 s on an idle machine. On one that is out of breath it took more than a minute. */
const READY_MS = 180_000;
const POM = join(import.meta.dirname, 'pom.xml');

/** A class path of Kafka and its tools: the directory in KAFKA_LIBS, else from the cache, else fetched with Maven. */
export async function kafkaClassPath(): Promise<string> {
  const place =
    process.env.KAFKA_LIBS ??
    (await cached(`kafka-${VERSION}`, `Kafka ${VERSION} with Maven, about 15 s`, async (into) => {
      await execute('mvn', ['-q', '-B', '-f', POM, 'dependency:copy-dependencies', `-DoutputDirectory=${into}`]);
    }));
  if ((await readdir(place)).length === 0) throw new Error(`no jars in ${place}; remove it to have it made again`);
  return join(place, '*');
}

export interface KafkaOptions {
  readonly directory: string;
  /** Where it listens, and how it tells clients where; `[::1]` for a Kafka that has IPv6 only. */
  readonly host?: '127.0.0.1' | '[::1]';
  /** Absent: any free one. */
  readonly port?: number;
  /** Where the records are kept; by default in `directory`. A small file system here makes a Kafka that is full. */
  readonly logDirectory?: string;
  readonly properties?: Readonly<Record<string, string>>;
  /** A directory of further classes, for what `properties` name. */
  readonly classes?: string;
  /** Where it is one of several brokers (kafka-cluster.ts). Absent: it is alone, and its own controller. */
  readonly member?: ClusterMember;
  /** Adds a listener with TLS on which a user has to sign in, beside the one without. */
  readonly secure?: {
    readonly certificate: ServerCertificate;
    readonly username: string;
    readonly password: string;
  };
}

/** What makes a broker one of several. */
export interface ClusterMember {
  readonly id: number;
  /** Where this broker finds the controller, which is in the broker 1. */
  readonly controllerPort: number;
  /** Gives the JVM less memory than a Kafka that is alone. */
  readonly heap: string;
}

/**
 * A real Kafka on 127.0.0.1: one process, KRaft, small, without automatic topics. Ready after about 3 s.
 * Stopped and started at will on the same ports and records.
 */
export class KafkaServer {
  readonly #options: KafkaOptions;
  readonly #classPath: string;
  readonly #port: number;
  readonly #controllerPort: number;
  readonly #securePort: number;
  #process: ServerProcess | undefined;

  private constructor(options: KafkaOptions, classPath: string, ports: readonly [number, number, number]) {
    this.#options = options;
    this.#classPath = classPath;
    [this.#port, this.#controllerPort, this.#securePort] = ports;
  }

  static async start(options: KafkaOptions): Promise<KafkaServer> {
    await mkdir(options.directory, { recursive: true });
    const classPath = [await kafkaClassPath(), options.classes].filter(Boolean).join(delimiter);
    const kafka = new KafkaServer(options, classPath, [
      options.port ?? (await freePort()),
      options.member?.controllerPort ?? (await freePort()),
      await freePort(),
    ]);
    await kafka.#format();
    await kafka.start();
    return kafka;
  }

  get id(): number {
    return this.#options.member?.id ?? 1;
  }

  get brokers(): string[] {
    return [`${this.#host}:${this.#port}`];
  }

  /** As {@link brokers}, but with TLS and SASL. */
  get secureBrokers(): string[] {
    return [`${this.#host}:${this.#securePort}`];
  }

  get #host(): string {
    return this.#options.host ?? '127.0.0.1';
  }

  get logFile(): string {
    return join(this.#options.directory, 'kafka.log');
  }

  get process(): ServerProcess {
    if (!this.#process) throw new Error('Kafka was never started');
    return this.#process;
  }

  async start(): Promise<void> {
    const command = this.#java('kafka.Kafka', this.#propertiesFile);
    this.#process = new ServerProcess('kafka', command, this.logFile);
    await this.#process.ready(() => this.#answers(), READY_MS);
  }

  stop(): Promise<void> {
    return this.process.stop(20_000);
  }

  kill(): Promise<void> {
    return this.process.kill();
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  pause(): Promise<void> {
    return this.process.pause();
  }

  resume(): void {
    this.process.resume();
  }

  /** A kafkajs client of the test's own. */
  client(): Kafka {
    return new Kafka({ brokers: this.brokers, clientId: 'test', logLevel: logLevel.NOTHING, retry: { retries: 10 } });
  }

  get #hasController(): boolean {
    return this.id === 1;
  }

  get #controllerListener(): string[] {
    return this.#hasController ? [`CONTROLLER://127.0.0.1:${this.#controllerPort}`] : [];
  }

  get #propertiesFile(): string {
    return join(this.#options.directory, 'server.properties');
  }

  #java(mainClass: string, ...args: string[]): string[] {
    const log4j = `-Dlog4j2.configurationFile=${join(import.meta.dirname, 'log4j2.properties')}`;
    const heap = this.#options.member?.heap ?? '512m';
    return ['java', `-Xmx${heap}`, '-Xms128m', '-XX:+UseSerialGC', log4j, '-cp', this.#classPath, mainClass, ...args];
  }

  async #format(): Promise<void> {
    const records = this.#options.logDirectory ?? join(this.#options.directory, 'records');
    const properties = {
      'process.roles': this.#hasController ? 'broker,controller' : 'broker',
      'node.id': String(this.id),
      'controller.quorum.voters': `1@127.0.0.1:${this.#controllerPort}`,
      'controller.listener.names': 'CONTROLLER',
      listeners: [`PLAINTEXT://${this.#host}:${this.#port}`, ...this.#controllerListener].join(),
      'advertised.listeners': `PLAINTEXT://${this.#host}:${this.#port}`,
      'log.dirs': records,
      'auto.create.topics.enable': 'false',
      'group.initial.rebalance.delay.ms': '0',
      'offsets.topic.replication.factor': '1',
      'offsets.topic.num.partitions': '4',
      'transaction.state.log.replication.factor': '1',
      'transaction.state.log.min.isr': '1',
      'transaction.state.log.num.partitions': '4',
      'share.coordinator.state.topic.replication.factor': '1',
      'share.coordinator.state.topic.min.isr': '1',
      'log.cleaner.dedupe.buffer.size': '8388608',
      // A killed broker is let back in when its old session has ended: 9 s by default.
      'broker.session.timeout.ms': '2000',
      'broker.heartbeat.interval.ms': '500',
      ...this.#secureListener(),
      ...this.#options.properties,
    };
    await writeFile(
      this.#propertiesFile,
      Object.entries(properties)
        .map(([name, value]) => `${name}=${value}\n`)
        .join(''),
    );
    const [java, ...args] = this.#java(
      'kafka.tools.StorageTool',
      'format',
      '-t',
      CLUSTER_ID,
      '-c',
      this.#propertiesFile,
    );
    await execute(java as string, args);
  }

  #secureListener(): Record<string, string> {
    const { secure } = this.#options;
    if (!secure) return {};
    const plain = `PLAINTEXT://${this.#host}:${this.#port}`;
    const safe = `SASL_SSL://${this.#host}:${this.#securePort}`;
    const oneLine = (pem: string): string => pem.trim().replaceAll('\n', ' \\\n');
    return {
      listeners: `${plain},${safe},CONTROLLER://127.0.0.1:${this.#controllerPort}`,
      'advertised.listeners': `${plain},${safe}`,
      'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT',
      'sasl.enabled.mechanisms': 'PLAIN',
      'listener.name.sasl_ssl.plain.sasl.jaas.config':
        'org.apache.kafka.common.security.plain.PlainLoginModule required ' +
        `user_${secure.username}="${secure.password}";`,
      'ssl.keystore.type': 'PEM',
      'ssl.keystore.certificate.chain': oneLine(secure.certificate.cert),
      'ssl.keystore.key': oneLine(secure.certificate.key),
    };
  }

  async #answers(): Promise<boolean> {
    const client = new Kafka({
      brokers: this.brokers,
      logLevel: logLevel.NOTHING,
      connectionTimeout: 500,
      retry: { retries: 0 },
    });
    const admin = client.admin();
    try {
      await admin.connect();
      return (await admin.describeCluster()).brokers.length > 0;
    } catch {
      return false;
    } finally {
      await admin.disconnect();
    }
  }
}

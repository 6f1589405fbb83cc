import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { connect, type NatsConnection, nkeyAuthenticator } from 'nats';
import {
  type ConfigMap,
  KINDS,
  type Kind,
  type KubeObject,
  type Secret,
  type Workload,
} from '../../../operator/api/objects.ts';
import type { LfhSyncNode } from '../../../operator/api/types.ts';
import { KubeletStandIn } from '../processes/kubelet-stand-in.ts';
import { freePort, ServerProcess, until } from '../processes/process.ts';
import { runningWithLogs } from '../running.ts';
import { type CertificateAuthority, createCertificateAuthority } from '../servers/certificates.ts';
import type { ControlPlane } from '../servers/control-plane.ts';
import { Helm } from '../servers/helm.ts';
import { KafkaServer } from '../servers/kafka.ts';
import { natsServerProgram } from '../servers/nats-server.ts';
import { type Container, containerNamed, entryAt, type PodSpec, sourceOf, type Volume } from './pod-spec.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const DOCS = join(ROOT, 'docs');

/** The key in connect's image, which is published with its seed (docs/upstream.md). */
export const PUBLISHED_SEED = 'SUAIUWTN33PU3ASNU2YT5MRQTITBQXKO5JDBL2K4IJ4PN2SPZBOO2AAYSQ';

/** What a page has one install, and how. */
export interface Installation {
  /** The page, in docs/. */
  readonly page: string;
  /** The folder in docs/examples that it takes. */
  readonly examples: string;
  readonly nats: { readonly workload: string; readonly container: string };
  /** What the files with the certificate of NATS, its key and its CA are called there. */
  readonly certificate: readonly [certificate: string, key: string, ca: string];
}

/** What a site may have besides connect and NATS. */
export interface SiteOptions {
  /** Whether it has a Kafka, and so can receive. */
  readonly receives: boolean;
}

/** What a person does in kustomization.yaml for a key of connect's own. */
export function withConnectKey(text: string): string {
  return text.replace(
    /^( *)# (?=- name: connect-nkey| {2}files: \[nats-server|(?: {2})?- path: connect-key|patches:)/gm,
    '$1',
  );
}

/**
 * A site that a person installs as a page of the docs says, with the files that it names. Its processes run with what their pods
 * are given there: nats-server with the ConfigMaps and Secrets that its workload mounts, the sidecar with the container that the
 * operator injects, connect with its key and its CA. Only addresses differ: there is no network of a cluster, so that names of
 * Services become ports on 127.0.0.1.
 */
export class InstalledSite {
  readonly namespace: string;
  readonly natsPort: number;
  readonly #plane: ControlPlane;
  readonly #installation: Installation;
  /** Of the person who installs: what a clone of this repository has for the page, with the certificates in it. */
  readonly #work: string;
  readonly #directory: string;
  readonly #sidecarPort: number;
  readonly #ca: CertificateAuthority;
  readonly #kafka: KafkaServer | undefined;
  #nats: ServerProcess | undefined;
  #sidecar: ServerProcess | undefined;
  #natsMounts: KubeletStandIn[] = [];
  #sidecarMount: KubeletStandIn | undefined;
  #failed = false;

  private constructor(
    plane: ControlPlane,
    namespace: string,
    installation: Installation,
    directory: string,
    ca: CertificateAuthority,
    ports: { readonly nats: number; readonly sidecar: number },
    kafka: KafkaServer | undefined,
  ) {
    this.#plane = plane;
    this.namespace = namespace;
    this.#installation = installation;
    this.#directory = directory;
    this.#work = join(directory, 'work');
    this.#ca = ca;
    this.natsPort = ports.nats;
    this.#sidecarPort = ports.sidecar;
    this.#kafka = kafka;
    runningWithLogs.add(this);
  }

  /** Lays out the files of the person who installs. Nothing is applied, and nothing runs but Kafka. */
  static async start(
    plane: ControlPlane,
    namespace: string,
    installation: Installation,
    { receives }: SiteOptions,
  ): Promise<InstalledSite> {
    const directory = await mkdtemp(join(tmpdir(), 'lfh-sync-installed-site-'));
    const ca = await createCertificateAuthority(namespace);
    const kafka = receives ? await KafkaServer.start({ directory: join(directory, 'kafka') }) : undefined;
    const ports = { nats: await freePort(), sidecar: await freePort() };
    const site = new InstalledSite(plane, namespace, installation, directory, ca, ports, kafka);
    try {
      await site.#layOut();
    } catch (error) {
      await site.stop();
      throw error;
    }
    return site;
  }

  /** The folder with the page's examples, as the person who installs has it. */
  get examples(): string {
    return join(this.#work, 'docs', 'examples', this.#installation.examples);
  }

  /** The CA that vouches for its NATS, as PEM. */
  get ca(): string {
    return this.#ca.ca;
  }

  get kafka(): KafkaServer {
    if (!this.#kafka) throw new Error(`${this.namespace} was made without Kafka`);
    return this.#kafka;
  }

  /** What nats-server says to a configuration, without starting. */
  async checkNatsConfig(text: string): Promise<string> {
    const path = join(this.#directory, 'checked.conf');
    await writeFile(path, text);
    const check = new ServerProcess('nats-server -t', [await natsServerProgram(), '-t', '-c', path], `${path}.log`);
    await check.exited();
    return check.output();
  }

  /**
   * Makes the LfhSyncNode as the chart does with values.yaml of the page; ports in place of names of Services, and what a test adds.
   *
   * @param changes replace fields of the spec; those of `nats` and `kafka` one by one
   */
  async install(changes: { readonly nats?: object; readonly [field: string]: unknown }): Promise<void> {
    const helm = await Helm.in(this.#directory);
    const values = load(await readFile(join(this.examples, 'values.yaml'), 'utf8')) as object;
    const rendered = await helm.template('lfh-sync', this.namespace, values);
    const found = rendered.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name.endsWith('-node'));
    const { 'node.json': text = '' } = (found?.data ?? {}) as Record<string, string>;
    const node = JSON.parse(text) as LfhSyncNode;
    const servers = [`tls://127.0.0.1:${this.natsPort}`];
    const spec = {
      ...node.spec,
      sidecar: { httpPort: this.#sidecarPort },
      ...changes,
      nats: { ...node.spec.nats, servers, advertise: servers, ...changes.nats },
      kafka: { ...node.spec.kafka, ...(this.#kafka && { brokers: this.#kafka.brokers }) },
    };
    await this.#plane.apply([{ ...node, spec }], this.namespace);
  }

  /**
   * Runs the commands of the page that begin so and concern these examples, in its order, in the namespace of this site.
   *
   * @throws where the page has none
   */
  async follow(beginning: string): Promise<void> {
    const { page } = this.#installation;
    const text = await readFile(join(DOCS, page), 'utf8');
    const lines = text.split('\n').filter((line) => line.startsWith(beginning));
    assert.ok(lines.length > 0, `docs/${page} has no command that begins with ${beginning}`);
    for (const line of lines) {
      const [, ...args] = line.replace(/ {2,}#.*$/, '').split(' ');
      const own = args.map((arg, index) => (args[index - 1] === '-n' ? this.namespace : arg));
      await this.#plane.kubectl(own, '', this.#work);
    }
  }

  /** Changes a file of the page's examples, as the page says that one may. */
  async edit(file: string, change: (text: string) => string): Promise<void> {
    const path = join(this.examples, file);
    const text = await readFile(path, 'utf8');
    assert.notEqual(change(text), text, `nothing changes in ${file}`);
    await writeFile(path, change(text));
  }

  /** Writes a file of the person who installs, beside the examples. */
  async write(file: string, text: string): Promise<void> {
    await writeFile(join(this.examples, file), text);
  }

  /** Applies the invitation of this site at another one, as an administrator does who was sent it. */
  async invite(other: InstalledSite): Promise<void> {
    await this.kubectl('wait', '--for=create', 'configmap/local-invitation', '--timeout=60s');
    const path = 'jsonpath={.data.syncpeer\\.yaml}';
    const invitation = await this.kubectl('get', 'configmap', 'local-invitation', '-o', path);
    await this.#plane.kubectl(['apply', '-n', other.namespace, '-f', '-'], invitation);
  }

  async kubectl(...args: string[]): Promise<string> {
    return (await this.#plane.kubectl(['-n', this.namespace, ...args])).stdout.trim();
  }

  /** Waits until a condition has that reason. @returns its message. @throws with all conditions that there are instead */
  async waitForReason(object: string, type: string, reason: string): Promise<string> {
    const path = `{.status.conditions[?(@.type=="${type}")]`;
    const args = ['wait', object, `--for=jsonpath=${path}.reason}=${reason}`, '--timeout=60s'];
    await this.kubectl(...args).catch(async (error: Error) => {
      const seen = await this.kubectl('get', object, '-o', 'jsonpath={.status.conditions}');
      throw new Error(`${error.message}; it has ${seen}`, { cause: error });
    });
    return this.kubectl('get', object, '-o', `jsonpath=${path}.message}`);
  }

  /** Restarts nats-server with what the pods of its StatefulSet are given now. Its store stays. */
  async restartNats(): Promise<void> {
    await this.#nats?.stop();
    await this.#stopMounts();
    const root = join(this.#directory, 'nats-pod');
    const { workload, container } = this.#installation.nats;
    const template = await this.#podsOf(KINDS.statefulSet, workload);
    const server = containerNamed(template.containers, container);
    for (const { name, mountPath } of server.volumeMounts ?? []) {
      const volume = template.volumes.find((each) => each.name === name);
      await this.#mountForNats(volume, join(root, mountPath));
    }
    const config = await readFile(join(root, 'etc/nats-config/nats.conf'), 'utf8');
    // Beside it, since what it includes is named relative to it.
    const path = join(root, 'etc/nats-config/in-this-directory.conf');
    await writeFile(path, config.replace(/"\/(?=(?:certs|data|etc|var)\b)/g, `"${root}/`));
    const where = ['-a', '127.0.0.1', '-p', String(this.natsPort), '-m', String(await freePort())];
    const command = [await natsServerProgram(), '--config', path, ...where];
    // As the official chart names it.
    const environment = { POD_NAME: `${workload}-0`, SERVER_NAME: `${workload}-0` };
    const nats = new ServerProcess(workload, command, join(this.#directory, 'nats.log'), environment);
    this.#nats = await nats.ready(() => nats.output().includes('Server is ready'), 60_000);
    // The files may have changed while the server was starting.
    nats.signal('SIGHUP');
  }

  /** Starts the sidecar that was injected into connect's pods, with the environment and the volume of its container. */
  async startSidecar(): Promise<void> {
    const { initContainers = [], volumes } = await this.#podsOf(KINDS.deployment, 'connect');
    const { env = [], volumeMounts = [] } = containerNamed(initContainers, 'lfh-sync');
    const [{ name, mountPath } = { name: '', mountPath: '' }] = volumeMounts;
    const directory = join(this.#directory, 'sidecar', 'settings');
    const sources = volumes.find((volume) => volume.name === name)?.projected?.sources ?? [];
    const kubeConfig = this.#plane.kubeConfig();
    this.#sidecarMount = await KubeletStandIn.mount({
      kubeConfig,
      namespace: this.namespace,
      directory,
      sources: sources.map(sourceOf),
    });
    const environment = env.map(({ name: key, value = '' }) => [key, value.replace(mountPath, directory)]);
    const sidecar = new ServerProcess(
      'sidecar of connect',
      [process.execPath, join(ROOT, 'sidecar', 'main.ts')],
      join(this.#directory, 'sidecar.log'),
      Object.fromEntries(environment),
    );
    const isUp = async (): Promise<boolean> => (await fetch(`http://127.0.0.1:${this.#sidecarPort}/healthz`)).ok;
    this.#sidecar = await sidecar.ready(isUp, 60_000);
  }

  /**
   * Signs in at its NATS as the connect of this site: with the key and the CA that are in its pods, in connect-config and in its
   * image. With `seed` somebody who has that key does.
   */
  async connect(seed?: string): Promise<NatsConnection> {
    const pods = await this.#podsOf(KINDS.deployment, 'connect');
    const container = containerNamed(pods.containers, 'connect');
    const { data: config = {} } = await this.#get<ConfigMap>(KINDS.configMap, 'connect-config');
    const keyFile = container.env?.find(({ name }) => name === 'NATS_NK_FILE')?.value;
    const own = keyFile === undefined ? PUBLISHED_SEED : await this.#fileIn(pods, container, keyFile);
    const ca = await this.#fileIn(pods, container, config.CONNECT_CA_FILE ?? '/etc/ssl/certs/rootCA.pem');
    return connect({
      servers: [`127.0.0.1:${this.natsPort}`],
      tls: { ca },
      authenticator: nkeyAuthenticator(new TextEncoder().encode(seed ?? own)),
      reconnect: false,
      timeout: 20_000,
    });
  }

  /** Reports the pods of connect as ready, as a kubelet does, until those of its newest template are there. */
  async runPods(): Promise<void> {
    const isThere = async (): Promise<boolean> => {
      await this.#readyPods();
      const { metadata, status = {} } = await this.#get<Workload>(KINDS.deployment, 'connect');
      const isSeen = status.observedGeneration === metadata.generation;
      return isSeen && status.updatedReplicas === 1 && status.availableReplicas === 1;
    };
    await until('the pods of connect are ready', isThere, 60_000, 500);
  }

  /** Stops everything. The directory stays, for its logs, when a test failed meanwhile. */
  async stop(): Promise<void> {
    runningWithLogs.delete(this);
    await this.#sidecar?.stop(60_000);
    await this.#sidecarMount?.stop();
    await this.#stopMounts();
    await this.#nats?.stop();
    await this.#kafka?.stop();
    if (this.#failed) process.stderr.write(`kept the logs of ${this.namespace} in ${this.#directory}\n`);
    else await rm(this.#directory, { recursive: true, force: true });
  }

  /** Keeps the directory: a test failed while this site ran. */
  keepLogs(): void {
    this.#failed = true;
  }

  async #layOut(): Promise<void> {
    const { cert, key } = await this.#ca.issue();
    await mkdir(this.examples, { recursive: true });
    await cp(join(DOCS, 'examples', this.#installation.examples), this.examples, { recursive: true });
    const texts = [cert, key, this.#ca.ca];
    for (const [index, name] of this.#installation.certificate.entries()) {
      await this.write(name, texts[index] ?? '');
      await writeFile(join(this.#work, name), texts[index] ?? '');
    }
  }

  async #mountForNats(volume: Volume | undefined, directory: string): Promise<void> {
    await mkdir(directory, { recursive: true });
    const { configMap, secret, hostPath } = volume ?? {};
    if (hostPath) {
      for (const name of this.#installation.certificate) await cp(join(this.examples, name), join(directory, name));
    }
    const source = configMap ? { configMap: configMap.name } : secret && { secret: secret.secretName };
    if (!source) return;
    await rm(directory, { recursive: true });
    const mount = await KubeletStandIn.mount({
      kubeConfig: this.#plane.kubeConfig(),
      namespace: this.namespace,
      directory,
      sources: [source],
      // As the reloader beside it does.
      onChange: () => this.#nats?.signal('SIGHUP'),
    });
    this.#natsMounts.push(mount);
  }

  async #stopMounts(): Promise<void> {
    for (const mount of this.#natsMounts.splice(0)) await mount.stop();
  }

  async #podsOf(kind: Kind, name: string): Promise<PodSpec> {
    const { spec } = await this.#get<KubeObject & { spec: { template: { spec: PodSpec } } }>(kind, name);
    return spec.template.spec;
  }

  /** What a container of connect reads at a path. */
  async #fileIn(pods: PodSpec, container: Container, path: string): Promise<string> {
    const { kind, name, entry } = entryAt(pods, container, path);
    const text = (await this.#get<ConfigMap | Secret>(kind, name)).data?.[entry];
    assert.ok(text !== undefined, `${kind.kind} ${name} has no ${entry}, which connect reads at ${path}`);
    return kind === KINDS.secret ? Buffer.from(text, 'base64').toString('utf8') : text;
  }

  async #readyPods(): Promise<void> {
    const pending = ['get', 'pods', '-l', 'app=connect', '--field-selector=status.phase=Pending', '-o', 'name'];
    for (const pod of (await this.kubectl(...pending)).split('\n').filter(Boolean)) {
      const conditions = ['Ready', 'ContainersReady'].map((type) => ({ type, status: 'True' }));
      const status = JSON.stringify({ status: { phase: 'Running', conditions } });
      await this.kubectl('patch', pod, '--subresource=status', '--type=merge', '-p', status);
    }
  }

  async #get<Value extends KubeObject>(kind: Kind, name: string): Promise<Value> {
    const found = await this.#plane.api.get<Value>(kind, this.namespace, name);
    assert.ok(found, `there is no ${kind.kind} ${name} in ${this.namespace}`);
    return found;
  }
}

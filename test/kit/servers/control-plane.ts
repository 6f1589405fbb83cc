import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { loadAll } from 'js-yaml';
import { KubeClient } from '../../../operator/kube/client.ts';
import { type KubernetesProgram, kubernetesPrograms } from '../build/kubernetes-programs.ts';
import { freePort, ServerProcess, until } from '../processes/process.ts';
import { runningWithLogs, sharedByTests } from '../running.ts';
import { type CertificateAuthority, createCertificateAuthority } from './certificates.ts';
import {
  apiServerOptions,
  ControlPlaneProcess,
  controllersOptions,
  etcdOptions,
  type Options,
} from './control-plane-process.ts';
import { applyTo, runKubectl } from './kubectl.ts';

const CRDS = join(import.meta.dirname, '..', '..', '..', 'crds');
const ADMIN = { name: 'admin', token: randomBytes(16).toString('hex') };
interface CustomResourceDefinition {
  readonly spec: {
    readonly group: string;
    readonly names: { readonly plural: string };
    readonly versions: readonly { readonly name: string; readonly served: boolean }[];
  };
}

/**
 * A real Kubernetes control plane on 127.0.0.1: etcd, kube-apiserver and kube-controller-manager, with RBAC and a CA of its
 * own, and with no node: nothing runs a pod. Ready after 2 to 3 s. A test gets its own namespace, not its own server.
 */
export class ControlPlane {
  /** Of its files and logs, and of those who run with it. */
  readonly directory: string;
  readonly url: string;
  /** The CA of its certificates, as PEM. */
  readonly ca: string;
  readonly etcd: ControlPlaneProcess;
  readonly apiServer: ControlPlaneProcess;
  readonly controllers: ControlPlaneProcess;
  readonly #kubectl: string;
  #namespaces = 0;
  #failed = false;

  private constructor(
    directory: string,
    ca: string,
    ports: { readonly etcd: number; readonly etcdPeer: number; readonly api: number },
    programs: Readonly<Record<KubernetesProgram, string>>,
  ) {
    this.directory = directory;
    this.ca = ca;
    this.url = `https://127.0.0.1:${ports.api}`;
    this.#kubectl = programs.kubectl;

    const run = (program: KubernetesProgram, options: Options): ServerProcess => {
      const args = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
      return new ServerProcess(program, [programs[program], ...args], join(directory, `${program}.log`));
    };
    const [etcdUrl, etcdPeerUrl] = [`http://127.0.0.1:${ports.etcd}`, `http://127.0.0.1:${ports.etcdPeer}`];
    this.etcd = new ControlPlaneProcess(() =>
      run('etcd', etcdOptions(directory, etcdUrl, etcdPeerUrl)).ready(
        async () => (await fetch(`${etcdUrl}/health`)).ok,
        60_000,
      ),
    );
    this.apiServer = new ControlPlaneProcess(() =>
      run('kube-apiserver', apiServerOptions(directory, etcdUrl, ports.api)).ready(
        async () => (await this.#status('/readyz')) === 200,
        60_000,
      ),
    );
    this.controllers = new ControlPlaneProcess(() =>
      run('kube-controller-manager', controllersOptions(directory)).ready(() => this.#isComplete('default'), 60_000),
    );
  }

  /** Starts all its servers. When one fails to start, it stops the others. */
  static async start(): Promise<ControlPlane> {
    const programs = await kubernetesPrograms();
    const directory = await mkdtemp(join(tmpdir(), 'lfh-sync-control-plane-'));
    const authority = await createCertificateAuthority('kubernetes');
    const ports = { etcd: await freePort(), etcdPeer: await freePort(), api: await freePort() };
    const plane = new ControlPlane(directory, authority.ca, ports, programs);
    try {
      runningWithLogs.add(plane);
      await plane.#writeFiles(authority);
      for (const server of [plane.etcd, plane.apiServer, plane.controllers]) await server.start();
      return plane;
    } catch (error) {
      await plane.stop();
      throw error;
    }
  }

  /** Stops everything. The directory stays, for its logs, when a test failed meanwhile or LFH_SYNC_KEEP is set. */
  async stop(): Promise<void> {
    runningWithLogs.delete(this);
    for (const server of [this.controllers, this.apiServer, this.etcd]) await server.stop(3_000);
    if (this.#failed || process.env.LFH_SYNC_KEEP) {
      process.stderr.write(`kept the logs of the control plane in ${this.directory}\n`);
    } else await rm(this.directory, { recursive: true, force: true });
  }

  /** Keeps the directory, because a test failed while this ran. */
  keepLogs(): void {
    this.#failed = true;
  }

  /** A kubeconfig file of the administrator of everything, for kubectl and other processes. */
  get kubeconfigFile(): string {
    return join(this.directory, 'admin.kubeconfig');
  }

  /** The administrator of everything. */
  kubeConfig(): KubeConfig {
    return this.#configOf(ADMIN);
  }

  /** The operator's own client, as the administrator. */
  get api(): KubeClient {
    return new KubeClient(this.kubeConfig());
  }

  /**
   * A service account, by a token of the TokenRequest API (2 h): whoever uses it may do what its roles say.
   *
   * @throws with the API server's words where there is no such account
   */
  async kubeConfigOf(namespace: string, serviceAccount: string): Promise<KubeConfig> {
    const { stdout } = await this.kubectl(['create', 'token', serviceAccount, '-n', namespace, '--duration=2h']);
    return this.#configOf({ name: `${namespace}-${serviceAccount}`, token: stdout.trim() });
  }

  /** The same as {@link kubeConfigOf}, written to a file. @returns its path */
  async kubeconfigFileOf(namespace: string, serviceAccount: string): Promise<string> {
    const config = await this.kubeConfigOf(namespace, serviceAccount);
    const path = join(this.directory, `${namespace}-${serviceAccount}.kubeconfig`);
    await writeFile(path, config.exportConfig(), { mode: 0o600 });
    return path;
  }

  /** A namespace of a test's own; with its default service account, without which no pod is admitted. @returns its name */
  async createNamespace(prefix = 'test'): Promise<string> {
    this.#namespaces += 1;
    const name = `${prefix}-${this.#namespaces}`;
    await this.kubectl(['create', 'namespace', name]);
    await until(`${name} has its default service account`, () => this.#isComplete(name));
    return name;
  }

  /**
   * Resolves when it is gone with everything in it, which takes 5 s: its controller waits so long before it looks.
   *
   * @throws after 60 s: a finalizer that nobody sees to?
   */
  async removeNamespace(name: string): Promise<void> {
    await this.kubectl(['delete', 'namespace', name, '--timeout=60s']);
  }

  /**
   * Runs kubectl as the administrator, or as `args` say; never with what a person keeps in their home directory.
   *
   * @throws with what it says on stderr
   */
  kubectl(args: readonly string[], input = '', cwd?: string): Promise<{ stdout: string; stderr: string }> {
    return runKubectl(this.#kubectl, this.kubeconfigFile, args, input, cwd);
  }

  /**
   * Server-side apply as the administrator, by the field manager `test`.
   *
   * @param what YAML, or objects
   * @param namespace of all of them; absent: each says so itself
   * @throws where somebody else's field would change (`conflict`), and whatever else the API server refuses
   */
  async apply(what: string | readonly object[], namespace?: string): Promise<void> {
    await applyTo((args, input) => this.kubectl(args, input), what, namespace);
  }

  /**
   * Applies CRDs, by default those of this tree. Resolves when the API serves and describes them: both come a moment
   * later than `Established`.
   *
   * @param yaml of nothing but CRDs
   */
  async installCrds(yaml?: string): Promise<void> {
    const text = yaml ?? (await crdsOfTree());
    await this.apply(text);
    for (const { spec } of loadAll(text) as CustomResourceDefinition[]) {
      for (const { name, served } of spec.versions) {
        if (served) await this.#isServed(spec.names.plural, `${spec.group}/${name}`);
      }
    }
  }

  async #isServed(plural: string, apiVersion: string): Promise<void> {
    await until(`${plural} are served`, async () => (await this.#status(`/apis/${apiVersion}/${plural}`)) === 200);
    const explain = ['explain', plural, `--api-version=${apiVersion}`];
    await until(`${plural} are described`, () => this.kubectl(explain).then(() => true));
  }

  async #isComplete(namespace: string): Promise<boolean> {
    return (await this.#status(`/api/v1/namespaces/${namespace}/serviceaccounts/default`)) === 200;
  }

  async #writeFiles(authority: CertificateAuthority): Promise<void> {
    const { cert, key } = await authority.issue();
    const accounts = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    });
    const files = {
      'ca.crt': this.ca,
      'apiserver.crt': cert,
      'apiserver.key': key,
      'service-accounts.key': accounts.privateKey,
      'service-accounts.pub': accounts.publicKey,
      'tokens.csv': `${ADMIN.token},${ADMIN.name},${ADMIN.name},system:masters\n`,
      'admin.kubeconfig': this.kubeConfig().exportConfig(),
    };
    for (const [name, text] of Object.entries(files)) {
      await writeFile(join(this.directory, name), text, { mode: 0o600 });
    }
  }

  #configOf({ name, token }: { readonly name: string; readonly token: string }): KubeConfig {
    const config = new KubeConfig();
    const caData = Buffer.from(this.ca).toString('base64');
    config.loadFromOptions({
      clusters: [{ name: 'test', server: this.url, caData, skipTLSVerify: false }],
      users: [{ name, token }],
      contexts: [{ name: 'test', cluster: 'test', user: name }],
      currentContext: 'test',
    });
    return config;
  }

  /** Of what the API server answers to the administrator. */
  #status(path: string): Promise<number> {
    return new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${ADMIN.token}` };
      const options = { ca: this.ca, headers, agent: false, signal: AbortSignal.timeout(2_000) };
      get(`${this.url}${path}`, options, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      }).on('error', reject);
    });
  }
}

async function crdsOfTree(): Promise<string> {
  const files = (await readdir(CRDS)).filter((file) => file.endsWith('.yaml')).sort();
  const texts = await Promise.all(files.map((file) => readFile(join(CRDS, file), 'utf8')));
  return texts.join('\n---\n');
}

let shared: Promise<ControlPlane> | undefined;

/** The control plane that all tests of a process share. It has the CRDs of this tree, and is stopped after the last test. */
export function sharedControlPlane(): Promise<ControlPlane> {
  shared ??= startShared();
  return shared;
}

async function startShared(): Promise<ControlPlane> {
  const plane = await ControlPlane.start();
  sharedByTests.add(plane);
  await plane.installCrds();
  return plane;
}

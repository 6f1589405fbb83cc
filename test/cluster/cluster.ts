import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { exists } from '../../image/cache.ts';
import { kubernetesPrograms } from '../kit/build/kubernetes-programs.ts';
import { until } from '../kit/processes/process.ts';
import { applyTo, runKubectl } from '../kit/servers/kubectl.ts';
import { KUBECONFIG, VOLUMES } from './layout.ts';

/** What `make cluster-up` made; kind makes its own, and removes them. */
interface Volume {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly claimRef?: { readonly namespace: string }; readonly hostPath?: { readonly path: string } };
}

/** Access to the cluster that `make cluster-up` or kind has started. */
export class Cluster {
  readonly kubeconfigFile: string;
  readonly #kubectl: string;

  private constructor(kubeconfigFile: string, kubectl: string) {
    this.kubeconfigFile = kubeconfigFile;
    this.#kubectl = kubectl;
  }

  /** @throws when no cluster was started */
  static async connect(kubeconfigFile = KUBECONFIG): Promise<Cluster> {
    if (!(await exists(kubeconfigFile))) throw new Error(`no ${kubeconfigFile}: run make cluster-up`);
    return new Cluster(kubeconfigFile, (await kubernetesPrograms()).kubectl);
  }

  /** Runs kubectl as the administrator. @throws with its stderr */
  kubectl(args: readonly string[], input = ''): Promise<{ stdout: string; stderr: string }> {
    return runKubectl(this.#kubectl, this.kubeconfigFile, args, input);
  }

  /** Applies on the server side, as the field manager `test`. @param what YAML, or objects */
  async apply(what: string | readonly object[], namespace?: string): Promise<void> {
    await applyTo((args, input) => this.kubectl(args, input), what, namespace);
  }

  /** Applies one of the files in test/cluster/manifests. */
  async applyManifest(name: string, namespace?: string): Promise<void> {
    await this.apply(await readFile(join(import.meta.dirname, 'manifests', name), 'utf8'), namespace);
  }

  /** Reads one object. */
  async get<Kind>(...args: string[]): Promise<Kind> {
    return JSON.parse((await this.kubectl(['get', '-o', 'json', ...args])).stdout) as Kind;
  }

  /** Resolves when all replicas are of the newest template, and ready. @param what such as `deployment/coredns` */
  async rolledOut(what: string, namespace: string, timeoutMs = 180_000): Promise<void> {
    await this.kubectl(['rollout', 'status', what, '-n', namespace, `--timeout=${timeoutMs / 1000}s`]);
  }

  /** The address of a Service. This machine reaches it too. */
  async serviceAddress(name: string, namespace: string): Promise<string> {
    const { spec } = await this.get<{ spec: { clusterIP: string } }>(`service/${name}`, '-n', namespace);
    return spec.clusterIP;
  }

  /**
   * Creates a namespace for one test, where Pod Security enforces `restricted`, as a hospital's administrator should.
   *
   * @returns its name
   */
  async createNamespace(prefix: string): Promise<string> {
    const name = `${prefix}-${randomBytes(3).toString('hex')}`;
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    await this.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }]);
    const account = ['get', 'serviceaccount', 'default', '-n', name];
    await until(`${name} has its service account`, () => this.kubectl(account).then(() => true), 60_000, 250);
    return name;
  }

  /** Resolves when a namespace is gone with its pods and all that they have stored, so that others can claim the volumes. */
  async removeNamespace(name: string): Promise<void> {
    await this.kubectl(['delete', 'namespace', name, '--ignore-not-found', '--timeout=180s']);
    const { items } = await this.get<{ items: Volume[] }>('persistentvolumes');
    for (const { metadata, spec } of items) {
      if (spec.claimRef?.namespace !== name || !spec.hostPath?.path.startsWith(VOLUMES)) continue;
      for (const entry of await readdir(spec.hostPath.path)) {
        await rm(join(spec.hostPath.path, entry), { recursive: true, force: true });
      }
      const unclaimed = JSON.stringify({ spec: { claimRef: null } });
      await this.kubectl(['patch', 'persistentvolume', metadata.name, '--type=merge', '-p', unclaimed]);
    }
  }

  /** The address of this machine at which pods reach it. */
  async machineAddress(): Promise<string> {
    const { items } = await this.get<{ items: { status: { addresses: { type: string; address: string }[] } }[] }>(
      'nodes',
    );
    const node = items[0]?.status.addresses.find(({ type }) => type === 'InternalIP')?.address;
    // Its kubelet answers there.
    const socket = connect(10_250, node);
    await once(socket, 'connect');
    const { localAddress = '' } = socket;
    socket.destroy();
    return localAddress;
  }

  /** Resolves when the API answers and a node takes pods. */
  async ready(timeoutMs: number): Promise<void> {
    const isReady = async (): Promise<boolean> => {
      const { items } = await this.get<{ items: { status?: { conditions?: { type: string; status: string }[] } }[] }>(
        'nodes',
      );
      const conditions = items.flatMap(({ status }) => status?.conditions ?? []);
      return conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
    };
    await until('a node is ready', isReady, timeoutMs, 500);
  }
}

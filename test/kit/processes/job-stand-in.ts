import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ConfigMap, KINDS, type KubeObject } from '../../../operator/api/objects.ts';
import type { ControlPlane } from '../servers/control-plane.ts';
import { ServerProcess } from './process.ts';

const TREE = join(import.meta.dirname, '..', '..', '..');
const POLL_MS = 100;

interface Container {
  readonly command: readonly string[];
  readonly env: readonly { readonly name: string; readonly value?: string }[];
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
}

interface Job extends KubeObject {
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly serviceAccountName: string;
        readonly containers: readonly Container[];
        readonly volumes?: readonly { readonly name: string; readonly configMap: { readonly name: string } }[];
      };
    };
  };
}

/**
 * Stands in for kubelet and Job controller where none run: runs what a Job of the chart runs as a process of this tree, with the
 * rights of the Job's service account, and reports to the API how it ended. So Helm's own hooks work against a bare control plane.
 */
export class JobStandIn {
  readonly #plane: ControlPlane;
  readonly #namespace: string;
  readonly #stopping = new AbortController();
  readonly #working: Promise<void>;
  /** Log files of the Jobs that were run, by name; the last one of each. */
  readonly logs = new Map<string, string>();

  private constructor(plane: ControlPlane, namespace: string) {
    this.#plane = plane;
    this.#namespace = namespace;
    this.#working = this.#work();
  }

  static start(plane: ControlPlane, namespace: string): JobStandIn {
    return new JobStandIn(plane, namespace);
  }

  /** @throws what kept it from running a Job */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#working;
  }

  async #work(): Promise<void> {
    const done = new Set<string>();
    while (!this.#stopping.signal.aborted) {
      const { stdout } = await this.#plane.kubectl(['get', 'jobs', '-n', this.#namespace, '-o', 'json']);
      for (const job of (JSON.parse(stdout) as { items: Job[] }).items) {
        const { uid = '', name } = job.metadata;
        if (done.has(uid)) continue;
        done.add(uid);
        await this.#tell(name, await this.#run(job));
      }
      await sleep(POLL_MS);
    }
  }

  /** @returns whether it succeeded */
  async #run({ metadata, spec }: Job): Promise<boolean> {
    const { serviceAccountName, containers, volumes = [] } = spec.template.spec;
    const [container] = containers;
    if (!container) throw new Error(`the Job ${metadata.name} has no container`);
    const directory = await mkdtemp(join(this.#plane.directory, `${metadata.name}-`));
    const mounted = (container.volumeMounts ?? []).map(({ name, mountPath }) => ({
      name,
      mountPath,
      at: join(directory, name),
    }));
    for (const { name, at } of mounted) {
      const source = volumes.find((volume) => volume.name === name)?.configMap.name ?? '';
      await mkdir(at);
      const found = await this.#plane.api.get<ConfigMap>(KINDS.configMap, this.#namespace, source);
      for (const [file, text] of Object.entries(found?.data ?? {})) await writeFile(join(at, file), text);
    }
    const env = container.env.map(({ name, value = this.#namespace }) => {
      const mount = mounted.find(({ mountPath }) => value.startsWith(`${mountPath}/`));
      return [name, mount ? value.replace(mount.mountPath, mount.at) : value];
    });
    const kubeconfig = await this.#plane.kubeconfigFileOf(this.#namespace, serviceAccountName);
    const program = container.command.map((part) =>
      part.replace(/^\/app\/(.*)\.js$/, (_, path) => join(TREE, `${path}.ts`)),
    );
    const log = join(directory, 'log');
    this.logs.set(metadata.name, log);
    const job = new ServerProcess(metadata.name, [process.execPath, ...program.slice(1)], log, {
      ...Object.fromEntries(env),
      KUBECONFIG: kubeconfig,
    });
    return (await job.exited()) === 0;
  }

  async #tell(name: string, succeeded: boolean): Promise<void> {
    const now = `${new Date().toISOString().slice(0, 19)}Z`;
    const condition = (type: string): object => ({ type, status: 'True', lastTransitionTime: now, reason: 'StandIn' });
    const before = succeeded ? 'SuccessCriteriaMet' : 'FailureTarget';
    const patch = async (conditions: readonly object[], more: object): Promise<void> => {
      const status = JSON.stringify({ status: { startTime: now, conditions, ...more } });
      const where = ['-n', this.#namespace, '--subresource=status', '--type=merge', '-p', status];
      await this.#plane.kubectl(['patch', 'job', name, ...where]);
    };
    await patch([condition(before)], {});
    const end = succeeded ? { succeeded: 1, completionTime: now } : { failed: 1 };
    await patch([condition(before), condition(succeeded ? 'Complete' : 'Failed')], end);
  }
}

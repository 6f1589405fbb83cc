import { join } from 'node:path';
import type { ControlPlane } from '../servers/control-plane.ts';
import { grantOperatorRights, type KnownNames } from '../sites/operator-rights.ts';
import { freePort, ServerProcess, until } from './process.ts';

/** Without a limit V8 collects garbage only when this machine runs short, and the memory in use would say nothing. */
const HEAP = '--max-old-space-size=128';
const MAIN = join(import.meta.dirname, '..', '..', '..', 'operator', 'main.ts');

export interface OperatorOptions {
  readonly kubeconfig: string;
  /** The operator's own namespace. */
  readonly namespace: string;
  readonly namespaces: readonly string[];
  readonly name?: string;
  /** Image of the sidecars that it injects. Without it, it injects none. */
  readonly image?: string;
}

export interface OperatorInNamespaces {
  readonly operator: OperatorProcess;
  /** With these a test can start a second operator. */
  readonly options: OperatorOptions;
}

/** The operator as a process of its own. */
export class OperatorProcess {
  readonly #options: OperatorOptions;
  readonly #directory: string;
  readonly #port: number;
  #process: ServerProcess | undefined;

  private constructor(options: OperatorOptions, directory: string, port: number) {
    this.#options = options;
    this.#directory = directory;
    this.#port = port;
  }

  /**
   * Starts an operator and waits until `probe` succeeds: `/readyz` when it leads, `/healthz` also while it waits or lacks something.
   */
  static async start(plane: ControlPlane, options: OperatorOptions, probe = '/readyz'): Promise<OperatorProcess> {
    const operator = new OperatorProcess(options, plane.directory, await freePort());
    await operator.start(options.image, probe);
    return operator;
  }

  /** Starts an operator with the chart's rights in a namespace of its own. It watches new namespaces with these prefixes. */
  static async startOver(
    plane: ControlPlane,
    prefixes: readonly string[],
    names: KnownNames = {},
  ): Promise<OperatorInNamespaces> {
    const namespace = await plane.createNamespace('operator');
    const namespaces: string[] = [];
    for (const prefix of prefixes) namespaces.push(await plane.createNamespace(prefix));
    const kubeconfig = await grantOperatorRights(plane, namespace, namespaces, names);
    const options = { kubeconfig, namespace, namespaces };
    return { operator: await OperatorProcess.start(plane, options), options };
  }

  get logFile(): string {
    return join(this.#directory, `operator-${this.#port}.log`);
  }

  get process(): ServerProcess {
    if (!this.#process) throw new Error('the operator was never started');
    return this.#process;
  }

  /** @param image replaces the one in its options */
  async start(image = this.#options.image, probe = '/readyz'): Promise<void> {
    const { kubeconfig, namespace, namespaces, name = `operator-${this.#port}` } = this.#options;
    this.#process = new ServerProcess('operator', [process.execPath, HEAP, MAIN], this.logFile, {
      KUBECONFIG: kubeconfig,
      POD_NAMESPACE: namespace,
      POD_NAME: name,
      LFH_SYNC_NAMESPACES: JSON.stringify(namespaces),
      LFH_SYNC_HTTP_ADDRESS: `127.0.0.1:${this.#port}`,
      LFH_SYNC_LOG_LEVEL: 'debug',
      ...(image !== undefined && { LFH_SYNC_IMAGE: image }),
    });
    await this.#process.ready(async () => (await this.get(probe)).ok, 60_000);
  }

  stop(): Promise<void> {
    return this.process.stop(60_000);
  }

  kill(): Promise<void> {
    return this.process.kill();
  }

  /** How many reconciles have ended since it was started. At rest there is one for each node every 10 s. */
  async reconciles(): Promise<number> {
    const text = await (await this.get('/metrics')).text();
    return Number(/^lfh_sync_operator_reconcile_duration_seconds_count (\d+)$/m.exec(text)?.[1]);
  }

  /** Resolves when so many more reconciles have ended, so that whatever they would have written is written. */
  async reconciled(count: number, timeoutMs = 120_000): Promise<void> {
    const before = await this.reconciles();
    await until(`${count} reconciles`, async () => (await this.reconciles()) >= before + count, timeoutMs, 250);
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get(path: string): Promise<Response> {
    return fetch(`${this.url}${path}`, { signal: AbortSignal.timeout(10_000) });
  }
}

import { join } from 'node:path';
import type { ControlPlane } from './control-plane.ts';
import { freePort, ServerProcess } from './process.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'operator', 'main.ts');

export interface OperatorOptions {
  readonly kubeconfig: string;
  /** Its own; with it, those that it looks after. */
  readonly namespace: string;
  readonly namespaces: readonly string[];
  readonly name?: string;
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

  /** Starts one and waits until it works; with another that leads, until it waits. */
  static async start(plane: ControlPlane, options: OperatorOptions): Promise<OperatorProcess> {
    const operator = new OperatorProcess(options, plane.directory, await freePort());
    await operator.start();
    return operator;
  }

  get logFile(): string {
    return join(this.#directory, `operator-${this.#port}.log`);
  }

  get process(): ServerProcess {
    if (!this.#process) throw new Error('the operator was never started');
    return this.#process;
  }

  async start(): Promise<void> {
    const { kubeconfig, namespace, namespaces, name = `operator-${this.#port}` } = this.#options;
    this.#process = new ServerProcess('operator', [process.execPath, MAIN], this.logFile, {
      KUBECONFIG: kubeconfig,
      POD_NAMESPACE: namespace,
      POD_NAME: name,
      LFH_SYNC_NAMESPACES: JSON.stringify(namespaces),
      LFH_SYNC_HTTP_ADDRESS: `127.0.0.1:${this.#port}`,
      LFH_SYNC_LOG_LEVEL: 'debug',
    });
    await this.#process.ready(async () => (await this.get('/readyz')).ok, 30_000);
  }

  stop(): Promise<void> {
    return this.process.stop(15_000);
  }

  kill(): Promise<void> {
    return this.process.kill();
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get(path: string): Promise<Response> {
    return fetch(`${this.url}${path}`, { signal: AbortSignal.timeout(2_000) });
  }
}

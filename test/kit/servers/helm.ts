import { join } from 'node:path';
import { loadAll } from 'js-yaml';
import { execute } from '../../../image/cache.ts';
import type { KubeObject } from '../../../operator/api/objects.ts';
import { helmProgram } from '../build/kubernetes-programs.ts';

const CHART = join(import.meta.dirname, '..', '..', '..', 'charts', 'lfh-sync');

/** An object as YAML has it. */
export type Manifest = KubeObject & { readonly spec?: unknown; readonly [field: string]: unknown };

/** The chart of this tree, and a helm to do something with it that knows nothing of a person's home directory. */
export class Helm {
  readonly #program: string;
  readonly #directory: string;
  readonly #kubeconfig: string;

  private constructor(program: string, directory: string, kubeconfig: string) {
    this.#program = program;
    this.#directory = directory;
    this.#kubeconfig = kubeconfig;
  }

  /**
   * @param directory for what it keeps
   * @param kubeconfig of the cluster; absent: none is asked
   */
  static async in(directory: string, kubeconfig = '/dev/null'): Promise<Helm> {
    return new Helm(await helmProgram(), directory, kubeconfig);
  }

  /** @returns what it prints. @throws with what it says on stderr */
  async run(args: readonly string[], input = ''): Promise<string> {
    const homes = ['HELM_CACHE_HOME', 'HELM_CONFIG_HOME', 'HELM_DATA_HOME'].map((name) => [name, this.#directory]);
    const env = { ...process.env, ...Object.fromEntries(homes), KUBECONFIG: this.#kubeconfig };
    const command = execute(this.#program, [...args], { env, maxBuffer: 16e6 });
    command.child.stdin?.on('error', () => undefined).end(input);
    try {
      return (await command).stdout;
    } catch (error) {
      const { stderr = '', stdout = '', message } = error as Error & { stderr?: string; stdout?: string };
      throw new Error(`helm ${args.join(' ')}: ${stderr.trim() || message}\n${stdout}`.trim(), { cause: error });
    }
  }

  /** Every object of a release, its hooks included. */
  async template(release: string, namespace: string, values: object): Promise<readonly Manifest[]> {
    const args = ['template', release, CHART, '-n', namespace, '-f', '-'];
    const documents = loadAll(await this.run(args, JSON.stringify(values))) as (Manifest | null)[];
    return documents.filter((document) => document !== null);
  }
}

import { join } from 'node:path';
import { loadAll } from 'js-yaml';
import type { KubeObject } from '../../operator/kube/objects.ts';
import { cached, execute, exists } from './cache.ts';

/** The one that the design was tried with. */
const HELM = 'v4.3.1';

/**
 * Finds helm: what HELM names, whatever version that is; then on PATH when its version is the one wanted; then in the cache,
 * or builds it.
 *
 * @returns its path, or its name where it is on PATH
 * @throws where HELM names no file, or with what a build says that fails
 */
export async function helmProgram(): Promise<string> {
  const named = process.env.HELM;
  if (named) {
    if (!(await exists(named))) throw new Error(`HELM names ${named}, which is not there`);
    return named;
  }
  const found = await execute('helm', ['version', '--template', '{{.Version}}']).catch(() => undefined);
  if (found?.stdout.trim() === HELM) return 'helm';
  // Without the version helm says that it is v4.0 and something, and a chart that asks for a newer one is refused.
  const version = `-X helm.sh/helm/v4/internal/version.version=${HELM}`;
  const place = await cached(`helm-${HELM}`, `helm ${HELM} with Go, about 2 min 30`, async (into) => {
    await execute('nice', ['go', 'install', '-ldflags', `-s -w ${version}`, `helm.sh/helm/v4/cmd/helm@${HELM}`], {
      env: { ...process.env, GOBIN: into, GOFLAGS: '' },
      maxBuffer: 64 * 1024 * 1024,
    });
  });
  return join(place, 'helm');
}

const CHART = join(import.meta.dirname, '..', '..', 'charts', 'lfh-sync');

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

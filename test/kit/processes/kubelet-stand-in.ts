import { mkdir } from 'node:fs/promises';
import type { KubeConfig } from '@kubernetes/client-node';
import { MissingReferenceError } from '../../../common/errors.ts';
import { createLogger } from '../../../common/log.ts';
import { KINDS, type ConfigMap as PlainConfigMap, type Secret } from '../../../operator/api/objects.ts';
import { Informer } from '../../../operator/cluster/informer.ts';
import { type Files, writeMounted } from '../../../operator/directory/mounted-files.ts';
import { KubeClient } from '../../../operator/kube/client.ts';
import { until } from './process.ts';

const MOUNT_TIMEOUT_MS = 30_000;

/** One source of a projected volume, as a pod names it. */
export type VolumeSource = ({ readonly configMap: string } | { readonly secret: string }) & {
  /** May be missing, and may come and go: then its files do. */
  readonly optional?: boolean;
  /** Only these keys, each at a path of its own; absent: all of them, each by its name. */
  readonly items?: readonly { readonly key: string; readonly path: string }[];
};

export interface MountOptions {
  readonly kubeConfig: KubeConfig;
  readonly namespace: string;
  /** Made when it is not there; everything in it is the stand-in's. */
  readonly directory: string;
  readonly sources: readonly VolumeSource[];
  /** Called after each change of the files, not for the first ones; as a reloader would look at them. */
  readonly onChange?: () => void;
}

/** objects.ts lists what the operator writes, and it writes no bytes. */
interface ConfigMap extends PlainConfigMap {
  /** base64 */
  readonly binaryData?: Readonly<Record<string, string>>;
}

/**
 * Stands in for the kubelet where none runs: keeps ConfigMaps and Secrets as the files of one directory, laid out and
 * changed as the kubelet does with a projected volume. Only sooner: a kubelet may take a minute.
 */
export class KubeletStandIn {
  readonly #options: MountOptions;
  readonly #configMaps: Informer<ConfigMap>;
  readonly #secrets: Informer<Secret>;
  readonly #stopping = new AbortController();
  readonly #watching: Promise<unknown>;
  /** What the directory holds; undefined until everything that must be there was. */
  #files: Files | undefined;
  /** Why it does not hold what the API has. */
  #problem: unknown;
  #writing: Promise<void>;
  #standsStill = false;

  private constructor(options: MountOptions) {
    const { kubeConfig, namespace } = options;
    const api = new KubeClient(kubeConfig);
    const log = createLogger({ name: 'kubelet-stand-in', level: 'fatal' });
    this.#options = options;
    this.#configMaps = new Informer(api, KINDS.configMap, namespace, log);
    this.#secrets = new Informer(api, KINDS.secret, namespace, log);
    const { signal } = this.#stopping;
    this.#watching = Promise.all([this.#configMaps.run(signal), this.#secrets.run(signal)]);
    // Before that, what is only not listed yet would look as if it were missing.
    this.#writing = Promise.all([this.#configMaps.listed, this.#secrets.listed]).then(() => this.#write());
    for (const informer of [this.#configMaps, this.#secrets]) {
      informer.onChange(() => {
        this.#writing = this.#writing.then(() => this.#write());
      });
    }
  }

  /**
   * Resolves when the files are there: all of them but optional ones, as a pod starts only then.
   *
   * @throws after 30 s with what is missing
   */
  static async mount(options: MountOptions): Promise<KubeletStandIn> {
    await mkdir(options.directory, { recursive: true });
    const kubelet = new KubeletStandIn(options);
    const isMounted = (): boolean => {
      if (kubelet.#problem) throw kubelet.#problem;
      return kubelet.#files !== undefined;
    };
    try {
      await until(`${options.directory} is mounted`, isMounted, MOUNT_TIMEOUT_MS);
      return kubelet;
    } catch (error) {
      kubelet.#stopping.abort();
      const { message, cause } = error as Error;
      throw new Error(cause instanceof Error ? `${message}: ${cause.message}` : message, { cause: error });
    }
  }

  /** From now on the files stay as they are, as where the kubelet is down, until {@link goOn}. */
  standStill(): void {
    this.#standsStill = true;
  }

  /** Follows what has changed meanwhile, and what changes from now on. */
  goOn(): void {
    this.#standsStill = false;
    this.#writing = this.#writing.then(() => this.#write());
  }

  /** Leaves the files as they are. @throws what kept it from writing them */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#watching;
    await this.#writing;
    if (this.#problem && !(this.#problem instanceof MissingReferenceError)) throw this.#problem;
  }

  /** Never throws: {@link mount} and {@link stop} report errors. */
  async #write(): Promise<void> {
    if (this.#standsStill) return;
    const { directory, sources, onChange } = this.#options;
    try {
      const files = filesOf(sources, (source) => this.#contentOf(source));
      this.#problem = undefined;
      const before = this.#files;
      if (before && areSame(before, files)) return;
      await writeMounted(directory, files);
      this.#files = files;
      if (before) onChange?.();
    } catch (error) {
      this.#problem = error;
    }
  }

  #contentOf(source: VolumeSource): Files | undefined {
    const { namespace } = this.#options;
    if ('secret' in source) {
      const secret = this.#secrets.get(namespace, source.secret);
      return secret && new Map(decoded(secret.data, 'base64'));
    }
    const configMap = this.#configMaps.get(namespace, source.configMap);
    return configMap && new Map([...decoded(configMap.data, 'utf8'), ...decoded(configMap.binaryData, 'base64')]);
  }
}

function decoded(values: Readonly<Record<string, string>> = {}, encoding: BufferEncoding): [string, Buffer][] {
  return Object.entries(values).map(([key, text]) => [key, Buffer.from(text, encoding)]);
}

/**
 * What a volume holds. Without something that is not optional it stays as it is, which for a pod that is to start
 * means that it waits.
 *
 * @throws MissingReferenceError
 */
function filesOf(sources: readonly VolumeSource[], contentOf: (source: VolumeSource) => Files | undefined): Files {
  const files = new Map<string, Buffer>();
  for (const source of sources) {
    const name = 'secret' in source ? `Secret ${source.secret}` : `ConfigMap ${source.configMap}`;
    const content = contentOf(source);
    if (!content && !source.optional) throw new MissingReferenceError(`there is no ${name}`);
    for (const { key, path } of source.items ?? [...(content?.keys() ?? [])].map((key) => ({ key, path: key }))) {
      const bytes = content?.get(key);
      if (bytes) files.set(path, bytes);
      else if (!source.optional) throw new MissingReferenceError(`the ${name} has no entry ${key}`);
    }
  }
  return files;
}

function areSame(one: Files, other: Files): boolean {
  return one.size === other.size && [...one].every(([path, bytes]) => other.get(path)?.equals(bytes));
}

import type { Logger } from '../../common/log.ts';
import type { Kind, KubeObject } from '../api/objects.ts';
import type { Cluster } from './cluster.ts';
import { Informer, type Keeping } from './informer.ts';

/** Everything of one kind in several namespaces: one {@link Informer} for each of them. */
export class Informers<Value extends KubeObject> {
  readonly #informers: readonly Informer<Value>[];

  /** @param namespaces to watch; undefined in this list stands for all namespaces */
  constructor(
    api: Cluster,
    kind: Kind,
    namespaces: readonly (string | undefined)[],
    log: Logger,
    keeping: Keeping<Value> = {},
  ) {
    this.#informers = namespaces.map((namespace) => new Informer<Value>(api, kind, namespace, log, keeping));
  }

  all(): Value[] {
    return this.#informers.flatMap((informer) => informer.all());
  }

  /** As far as it is kept. */
  get(namespace: string, name: string): Value | undefined {
    for (const informer of this.#informers) {
      const found = informer.get(namespace, name);
      if (found) return found;
    }
    return undefined;
  }

  /** As {@link Informer.whole} does. @throws KubeError */
  async whole(asker: string, namespace: string, names: readonly string[]): Promise<ReadonlyMap<string, Value>> {
    const found = new Map<string, Value>();
    for (const informer of this.#informers) {
      for (const [name, object] of await informer.whole(asker, namespace, names)) found.set(name, object);
    }
    return found;
  }

  /** @param onChange as that of {@link Informer.onChange} */
  onChange(onChange: (object: Value, before: Value | undefined) => void): void {
    for (const informer of this.#informers) informer.onChange(onChange);
  }

  /** Resolves when everything in one of the namespaces, given by its place in the list, was listed once. */
  async listed(namespaceIndex: number): Promise<void> {
    await this.#informers[namespaceIndex]?.listed;
  }

  /** Runs until `signal` is aborted; never throws. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#informers.map((informer) => informer.run(signal)));
  }
}

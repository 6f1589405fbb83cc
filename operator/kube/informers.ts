import type { Logger } from '../../common/log.ts';
import type { Kind, KubeObject } from '../api/objects.ts';
import type { KubeClient } from './client.ts';
import { Informer, type Keeping } from './informer.ts';

/** Everything of one kind in several namespaces: one {@link Informer} for each of them. */
export class Informers<Value extends KubeObject> {
  readonly #informers: readonly Informer<Value>[];

  /** @param namespaces to watch; undefined in this list stands for all namespaces */
  constructor(
    api: KubeClient,
    kind: Kind,
    namespaces: readonly (string | undefined)[],
    log: Logger,
    keeping: Keeping = {},
  ) {
    this.#informers = namespaces.map((namespace) => new Informer<Value>(api, kind, namespace, log, keeping));
  }

  all(): Value[] {
    return this.#informers.flatMap((informer) => informer.all());
  }

  /** Without its content where that was too large to be kept. */
  get(namespace: string, name: string): Value | undefined {
    for (const informer of this.#informers) {
      const found = informer.get(namespace, name);
      if (found) return found;
    }
    return undefined;
  }

  /**
   * The objects of these names that exist, by name, with all of their content.
   *
   * @throws KubeError where a large one must be read from the API server and cannot be
   */
  async getWhole(namespace: string, names: readonly string[]): Promise<ReadonlyMap<string, Value>> {
    const found = new Map<string, Value>();
    for (const name of names) {
      for (const informer of this.#informers) {
        const whole = await informer.whole(namespace, name);
        if (whole) found.set(name, whole);
      }
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

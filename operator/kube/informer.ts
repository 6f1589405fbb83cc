import { delay, sleep } from '../../common/backoff.ts';
import { messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { KubeApi, WatchEvent } from './api.ts';
import { KubeError } from './errors.ts';
import type { Kind, KubeObject } from './objects.ts';

/** A watch that lasted this long was a working one: the next failure is a new one. */
const STABLE_MS = 10_000;

/**
 * Everything of one kind, in one namespace or all, kept current by a watch that survives every error: the library's own
 * ends for good on most of them. While the API server cannot be reached what was known last stays; a kind that does not
 * exist yet (its CRD is missing) is asked for again and again.
 */
export class Informer<Value extends KubeObject> {
  readonly #api: KubeApi;
  readonly #kind: Kind;
  readonly #namespace: string | undefined;
  readonly #log: Logger;
  readonly #objects = new Map<string, Value>();
  readonly #listed = Promise.withResolvers<void>();
  #onChange: (object: Value, before: Value | undefined) => void = () => undefined;
  #version = '';

  constructor(api: KubeApi, kind: Kind, namespace: string | undefined, log: Logger) {
    this.#api = api;
    this.#kind = kind;
    this.#namespace = namespace;
    this.#log = log.child({ kind: kind.kind, ...(namespace !== undefined && { namespace }) });
  }

  /** Resolves when everything was listed once. */
  get listed(): Promise<void> {
    return this.#listed.promise;
  }

  get(namespace: string, name: string): Value | undefined {
    return this.#objects.get(`${namespace}/${name}`);
  }

  all(): Value[] {
    return [...this.#objects.values()];
  }

  /**
   * @param onChange called with each object that is new, has changed or is gone (then as it last was); `before` is what a
   *   changed one was, and undefined for the others
   */
  onChange(onChange: (object: Value, before: Value | undefined) => void): void {
    this.#onChange = onChange;
  }

  /** Runs until `signal` is aborted; never throws. */
  async run(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; ) {
      const started = performance.now();
      try {
        if (this.#version === '') await this.#list();
        await this.#api.watch(this.#kind, this.#namespace, this.#version, (event) => this.#take(event), signal);
        // The server ends a watch after minutes. One that ends at once, again and again, must not become a storm.
        if (performance.now() - started > STABLE_MS) failures = 0;
        else await sleep(delay((failures += 1), Math.random()), signal);
      } catch (error) {
        // Whatever it answered, such as that it does not remember the version: from the beginning. No answer: go on.
        if (error instanceof KubeError && error.code !== 0) this.#version = '';
        failures = performance.now() - started > STABLE_MS ? 1 : failures + 1;
        this.#tell(error, failures);
        await sleep(delay(failures, Math.random()), signal);
      }
    }
  }

  /** A watch that breaks is nothing to worry about; that it cannot be had again is. */
  #tell(error: unknown, failures: number): void {
    const missing = error instanceof KubeError && error.isNotFound;
    const advice = missing ? '; is its CustomResourceDefinition installed?' : '';
    this.#log[failures > 1 ? 'warn' : 'debug']({ problem: messageOf(error) + advice, failures }, 'cannot watch');
  }

  async #list(): Promise<void> {
    const { items, resourceVersion } = await this.#api.list<Value>(this.#kind, this.#namespace);
    const gone = new Map(this.#objects);
    for (const item of items) {
      gone.delete(keyOf(item));
      this.#put(item);
    }
    for (const [key, object] of gone) {
      this.#objects.delete(key);
      this.#onChange(object, undefined);
    }
    this.#version = resourceVersion;
    this.#listed.resolve();
  }

  #take({ type, object }: WatchEvent): void {
    this.#version = object.metadata.resourceVersion ?? this.#version;
    if (type === 'BOOKMARK') return;
    if (type !== 'DELETED') return this.#put(object as unknown as Value);
    this.#objects.delete(keyOf(object));
    this.#onChange(object as unknown as Value, undefined);
  }

  #put(object: Value): void {
    const known = this.#objects.get(keyOf(object));
    if (known?.metadata.resourceVersion === object.metadata.resourceVersion) return;
    this.#objects.set(keyOf(object), object);
    this.#onChange(object, known);
  }
}

function keyOf({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`;
}

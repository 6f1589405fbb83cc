import { delay, sleep } from '../../common/backoff.ts';
import { messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import { GROUP, type Kind, type KubeObject, type Metadata } from '../api/objects.ts';
import type { Cluster, WatchEvent } from './cluster.ts';
import { KubeError } from './errors.ts';
import { keyOf, objectKey } from './formats.ts';

/** A watch that lasted this long was a working one, so that the next failure is counted as the first. */
const STABLE_MS = 10_000;

export interface Keeping<Value extends KubeObject> {
  /** Which objects to watch, as the API's query has it. Absent: all of the kind. */
  readonly fieldSelector?: string;
  /**
   * What is kept of an object: most of what is in it does not concern us, and anyone who may write objects must not be able to exhaust
   * our memory. `identity`: which object it is, and no content, until {@link Informer.whole} asks for that. Absent: all of it.
   */
  readonly keep?: 'identity' | ((object: Value) => Value);
}

/**
 * Everything of one kind, in one namespace or in all, kept current by a watch that survives every error: the library's
 * own informer ends for good on most of them. While the API server cannot be reached, what was seen last stays. A kind
 * that does not exist yet, because its CRD is missing, is asked for again and again.
 */
export class Informer<Value extends KubeObject> {
  readonly #api: Cluster;
  readonly #kind: Kind;
  readonly #namespace: string | undefined;
  readonly #log: Logger;
  readonly #keeping: Keeping<Value>;
  /** Keys of the objects that are kept whole, by who has asked for them. */
  readonly #wanted = new Map<string, ReadonlySet<string>>();
  /** Objects that are kept by their identity alone. */
  readonly #shortened = new WeakSet<Value>();
  readonly #objects = new Map<string, Value>();
  readonly #listed = Promise.withResolvers<void>();
  #onChange: (object: Value, before: Value | undefined) => void = () => undefined;
  #version = '';

  constructor(api: Cluster, kind: Kind, namespace: string | undefined, log: Logger, keeping: Keeping<Value> = {}) {
    this.#api = api;
    this.#keeping = keeping;
    this.#kind = kind;
    this.#namespace = namespace;
    this.#log = log.child({ kind: kind.kind, ...(namespace !== undefined && { namespace }) });
  }

  /** Resolves when everything was listed once. */
  get listed(): Promise<void> {
    return this.#listed.promise;
  }

  /** As far as it is kept. */
  get(namespace: string, name: string): Value | undefined {
    return this.#objects.get(keyOf(namespace, name));
  }

  /**
   * The objects of these names that exist, by name, with all of their content. It is kept from then on, until the same asker asks
   * without them: nobody makes us keep one object after another by naming each for a while.
   *
   * @param asker who needs them; what others need stays
   * @throws KubeError where the content must be read from the API server and cannot be
   */
  async whole(asker: string, namespace: string, names: readonly string[]): Promise<ReadonlyMap<string, Value>> {
    const before = this.#wanted.get(asker) ?? [];
    const wanted = new Set(names.map((name) => keyOf(namespace, name)));
    if (wanted.size > 0) this.#wanted.set(asker, wanted);
    else this.#wanted.delete(asker);
    for (const key of before) if (!wanted.has(key)) this.#shorten(key);
    const found = new Map<string, Value>();
    for (const name of names) {
      const object = await this.#whole(namespace, name);
      if (object) found.set(name, object);
    }
    return found;
  }

  async #whole(namespace: string, name: string): Promise<Value | undefined> {
    const key = keyOf(namespace, name);
    const known = this.#objects.get(key);
    if (!known || !this.#shortened.has(known)) return known;
    const found = await this.#api.get<Value>(this.#kind, namespace, name);
    // A newer version is kept when the watch delivers it, which also calls onChange.
    const isKnown = found?.metadata.resourceVersion === known.metadata.resourceVersion;
    if (found && isKnown && this.#objects.get(key) === known) this.#objects.set(key, withoutManagers(found));
    return found;
  }

  all(): Value[] {
    return [...this.#objects.values()];
  }

  /**
   * @param onChange called with each object that is new, has changed or was deleted (then as it last was). `before` is
   *   a changed object as it was before, and undefined for the others
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
        await this.#api.watch(
          this.#kind,
          this.#namespace,
          this.#version,
          (event) => this.#take(event),
          signal,
          this.#keeping.fieldSelector,
        );
        // The server ends a watch after minutes. One that ends at once, again and again, must not become a storm.
        if (performance.now() - started > STABLE_MS) failures = 0;
        else await sleep(delay((failures += 1), Math.random()), signal);
      } catch (error) {
        // Any answer means that everything must be listed again: mostly 410, when the server no longer remembers the
        // version. Without an answer the watch goes on from the version it had reached.
        if (error instanceof KubeError && error.code !== 0) this.#version = '';
        failures = performance.now() - started > STABLE_MS ? 1 : failures + 1;
        this.#logFailure(error, failures);
        await sleep(delay(failures, Math.random()), signal);
      }
    }
  }

  /** A watch breaks now and then, which is no problem. It is one when the watch cannot be opened again. */
  #logFailure(error: unknown, failures: number): void {
    const missing = error instanceof KubeError && error.isNotFound;
    const advice = missing ? '; is its CustomResourceDefinition installed?' : '';
    this.#log[failures > 1 ? 'warn' : 'debug']({ problem: messageOf(error) + advice, failures }, 'cannot watch');
  }

  async #list(): Promise<void> {
    const { fieldSelector = '' } = this.#keeping;
    const deleted = new Map(this.#objects);
    let version = '';
    for await (const { items, resourceVersion } of this.#api.pages<Value>(this.#kind, this.#namespace, {
      fieldSelector,
    })) {
      for (const item of items) {
        deleted.delete(objectKey(item));
        this.#put(item);
      }
      version = resourceVersion;
    }
    for (const object of deleted.values()) this.#remove(object);
    this.#version = version;
    this.#listed.resolve();
  }

  #take({ type, object }: WatchEvent): void {
    this.#version = object.metadata.resourceVersion ?? this.#version;
    if (type === 'BOOKMARK') return;
    if (type !== 'DELETED') return this.#put(object as unknown as Value);
    this.#remove(object as unknown as Value);
  }

  #remove(object: Value): void {
    this.#objects.delete(objectKey(object));
    this.#onChange(object, undefined);
  }

  #put(object: Value): void {
    const known = this.#objects.get(objectKey(object));
    if (known?.metadata.resourceVersion === object.metadata.resourceVersion) return;
    const kept = this.#kept(withoutManagers(object));
    this.#objects.set(objectKey(object), kept);
    this.#onChange(kept, known);
  }

  #kept(object: Value): Value {
    const { keep } = this.#keeping;
    if (keep === undefined || this.#isWanted(objectKey(object))) return object;
    // A copy, because a string that was cut out of the server's answer would keep the whole answer in memory.
    const kept = structuredClone(keep === 'identity' ? (identityOf(object) as Value) : keep(object));
    if (keep === 'identity') this.#shortened.add(kept);
    return kept;
  }

  #isWanted(key: string): boolean {
    return [...this.#wanted.values()].some((keys) => keys.has(key));
  }

  /** Forgets the content of an object that nobody asks for any more. */
  #shorten(key: string): void {
    const known = this.#objects.get(key);
    if (known && !this.#shortened.has(known) && !this.#isWanted(key)) this.#objects.set(key, this.#kept(known));
  }
}

/** The record of who wrote which field takes as much room as the fields, and nobody asks an informer for it. */
function withoutManagers<Value extends KubeObject>(object: Value): Value {
  const { managedFields: _managers, ...metadata } = object.metadata;
  return { ...object, metadata };
}

/** Labels and annotations of our group are shorter than this; a longer one was written by somebody else. */
const MOST_NOTE = 1_000;

/**
 * What says which object it is, and what we have noted on it. No more, since labels and annotations may be as large as
 * the rest.
 */
function identityOf({ apiVersion, kind, metadata }: KubeObject): KubeObject {
  const { name, namespace, uid, resourceVersion } = metadata;
  const ours = (texts: Metadata['labels'] = {}): Record<string, string> =>
    Object.fromEntries(
      Object.entries(texts).filter(([key, text]) => key.startsWith(`${GROUP}/`) && text.length <= MOST_NOTE),
    );
  const notes = { labels: ours(metadata.labels), annotations: ours(metadata.annotations) };
  return {
    apiVersion,
    kind,
    metadata: { name, namespace, uid, resourceVersion, ...notes } as Metadata,
  };
}

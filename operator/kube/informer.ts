import { delay, sleep } from '../../common/backoff.ts';
import { messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import { GROUP, type Kind, type KubeObject, type Metadata } from '../api/objects.ts';
import type { KubeClient, WatchEvent } from './client.ts';
import { KubeError } from './errors.ts';

/** A watch that lasted this long was a working one: the next failure is a new one. */
const STABLE_MS = 10_000;

/** At most this many objects of up to 1 MiB are in memory at once while they are listed. */
const LARGE_PAGE = 8;

export interface Keeping {
  /** Which of them; absent: all. */
  readonly fieldSelector?: string;
  /**
   * Characters of JSON above which an object is kept by its identity alone until it is asked for with {@link Informer.whole}: most are not
   * about us, and whoever may write them must not exhaust our memory. Absent: all are kept.
   */
  readonly largest?: number;
}

/**
 * Everything of one kind, in one namespace or all, kept current by a watch that survives every error: the library's own
 * ends for good on most of them. While the API server cannot be reached what was known last stays; a kind that does not
 * exist yet (its CRD is missing) is asked for again and again.
 */
export class Informer<Value extends KubeObject> {
  readonly #api: KubeClient;
  readonly #kind: Kind;
  readonly #namespace: string | undefined;
  readonly #log: Logger;
  readonly #keeping: Keeping;
  /** Keys of those that are kept however large they are, since they were asked for. */
  readonly #wanted = new Set<string>();
  readonly #shortened = new WeakSet<Value>();
  readonly #objects = new Map<string, Value>();
  readonly #listed = Promise.withResolvers<void>();
  #onChange: (object: Value, before: Value | undefined) => void = () => undefined;
  #version = '';

  constructor(api: KubeClient, kind: Kind, namespace: string | undefined, log: Logger, keeping: Keeping = {}) {
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

  /** Without its content where that was too large to be kept. */
  get(namespace: string, name: string): Value | undefined {
    return this.#objects.get(`${namespace}/${name}`);
  }

  /** With all of its content, which is kept from then on. @throws KubeError where it has to be asked for */
  async whole(namespace: string, name: string): Promise<Value | undefined> {
    const key = `${namespace}/${name}`;
    const known = this.#objects.get(key);
    if (!known || !this.#shortened.has(known)) return known;
    this.#wanted.add(key);
    const found = await this.#api.get<Value>(this.#kind, namespace, name);
    // A newer one is kept when the watch brings it, and so tells everybody.
    const isKnown = found?.metadata.resourceVersion === known.metadata.resourceVersion;
    if (found && isKnown && this.#objects.get(key) === known) this.#objects.set(key, withoutManagers(found));
    return found;
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
    const { fieldSelector = '', largest } = this.#keeping;
    const selection = { fieldSelector, ...(largest !== undefined && { limit: LARGE_PAGE }) };
    const gone = new Map(this.#objects);
    let version = '';
    for await (const { items, resourceVersion } of this.#api.pages<Value>(this.#kind, this.#namespace, selection)) {
      for (const item of items) {
        gone.delete(keyOf(item));
        this.#put(item);
      }
      version = resourceVersion;
    }
    for (const object of gone.values()) this.#remove(object);
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
    this.#objects.delete(keyOf(object));
    this.#wanted.delete(keyOf(object));
    this.#onChange(object, undefined);
  }

  #put(object: Value): void {
    const known = this.#objects.get(keyOf(object));
    if (known?.metadata.resourceVersion === object.metadata.resourceVersion) return;
    const kept = this.#kept(withoutManagers(object));
    this.#objects.set(keyOf(object), kept);
    this.#onChange(kept, known);
  }

  #kept(object: Value): Value {
    const { largest } = this.#keeping;
    if (largest === undefined || this.#wanted.has(keyOf(object)) || JSON.stringify(object).length <= largest)
      return object;
    const identity = identityOf(object) as Value;
    this.#shortened.add(identity);
    return identity;
  }
}

/** Who wrote which field takes as much room as the fields; nobody asks an informer for it. */
function withoutManagers<Value extends KubeObject>(object: Value): Value {
  const { managedFields: _managers, ...metadata } = object.metadata;
  return { ...object, metadata };
}

/** Longer ones of ours are somebody else's. */
const NOTE = 1_000;

/** Which one it is, and what we have noted on it: no more, since labels and annotations may be as large as the rest. */
function identityOf({ apiVersion, kind, metadata }: KubeObject): KubeObject {
  const { name, namespace, uid, resourceVersion } = metadata;
  const ours = (texts: Metadata['labels'] = {}): Record<string, string> =>
    Object.fromEntries(
      Object.entries(texts).filter(([key, text]) => key.startsWith(`${GROUP}/`) && text.length <= NOTE),
    );
  const notes = { labels: ours(metadata.labels), annotations: ours(metadata.annotations) };
  // Copied, or a name would keep the text that all of it was read from.
  return {
    apiVersion,
    kind,
    metadata: structuredClone({ name, namespace, uid, resourceVersion, ...notes }) as Metadata,
  };
}

function keyOf({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`;
}

import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '../../common/errors.ts';
import { Limiter } from '../../common/limiter.ts';
import { KINDS, type Kind, type KubeObject, type Metadata } from '../api/objects.ts';
import type { Cluster, Listing, Selection, WatchEvent } from '../cluster/cluster.ts';
import { KubeError } from '../cluster/errors.ts';
import { keyOf } from './input.ts';
import { NAMESPACE } from './layout.ts';
import type { Store } from './store.ts';

/** The kinds that are here. Of Services and EndpointSlices there are none, and anything else is refused. */
const HERE: ReadonlySet<string> = new Set(
  [KINDS.node, KINDS.peer, KINDS.secret, KINDS.configMap].map(({ kind }) => kind),
);
const NONE: ReadonlySet<string> = new Set([KINDS.service, KINDS.endpointSlice].map(({ kind }) => kind));
/** More changes are not remembered. Who watches from before them lists everything again. */
const MOST_CHANGES = 1_000;

interface Change {
  readonly version: number;
  readonly event: WatchEvent;
}

/**
 * The objects of a directory, which is a cluster of one namespace and no workloads. It answers as an API server does, so that the
 * controller is the very same. Each change is kept in the store before it counts.
 *
 * There is one writer besides the person who writes the files, so an apply need not know who owns which field: an object is either from a
 * file or lfh-sync's own.
 */
export class DirectoryCluster implements Cluster {
  readonly #store: Store;
  readonly #objects = new Map<string, KubeObject>();
  readonly #updates = new Limiter(1);
  readonly #watchers = new Set<(change: Change) => void>();
  #changes: Change[] = [];
  #version = 1;

  /** @param kept what the store has */
  constructor(store: Store, kept: readonly KubeObject[]) {
    this.#store = store;
    for (const object of kept) this.#objects.set(keyOf(object), this.#versioned(object));
  }

  /** Every object that is in force. */
  all(): readonly KubeObject[] {
    return [...this.#objects.values()];
  }

  /** @param onChange called after each change, with the object as it is or last was */
  onChange(onChange: (object: KubeObject) => void): void {
    this.#watchers.add(({ event }) => onChange(event.object));
  }

  /** Makes an object what a file says, as `kubectl apply` does. Its status stays. */
  async put(object: KubeObject): Promise<void> {
    await this.#change(object, (before) => {
      const { metadata, ...wanted } = object;
      const { status, metadata: _metadata, ...content } = (before ?? {}) as Partial<KubeObject> & { status?: unknown };
      const changed = !isDeepStrictEqual(content, wanted);
      return { ...wanted, metadata: { ...metadata, ...systemMetadata(object, before, changed) }, status };
    });
  }

  get<Value extends KubeObject>(kind: Kind, namespace: string, name: string): Promise<Value | undefined> {
    return attempt(() => {
      if (!this.#has(kind, 'get')) return undefined;
      const found = namespace === NAMESPACE ? this.#objects.get(`${kind.kind} ${name}`) : undefined;
      return found as Value | undefined;
    });
  }

  async list<Value extends KubeObject>(kind: Kind, namespace?: string): Promise<Listing<Value>> {
    const items: Value[] = [];
    for await (const page of this.pages<Value>(kind, namespace, {})) items.push(...page.items);
    return { items, resourceVersion: String(this.#version) };
  }

  // biome-ignore lint/suspicious/useAwait: the interface is that of something that has to wait
  async *pages<Value extends KubeObject>(
    kind: Kind,
    _namespace: string | undefined,
    _selection: Selection,
  ): AsyncGenerator<Listing<Value>> {
    const items = this.#has(kind, 'list') ? this.all().filter((object) => object.kind === kind.kind) : [];
    yield { items: items as Value[], resourceVersion: String(this.#version) };
  }

  create<Value extends KubeObject>(object: Value): Promise<Value> {
    return this.#change(object, (before) => {
      if (before) throw refusal(object, 409, 'already exists', 'AlreadyExists');
      return { ...object, metadata: { ...object.metadata, creationTimestamp: now() } };
    });
  }

  replace<Value extends KubeObject>(object: Value): Promise<Value> {
    return this.#change(object, (before) => {
      if (!before) throw refusal(object, 404, 'is not there');
      const { resourceVersion } = object.metadata;
      if (resourceVersion !== undefined && resourceVersion !== before.metadata.resourceVersion) {
        throw refusal(object, 409, 'has changed since it was read');
      }
      return object;
    });
  }

  apply<Value extends KubeObject>(object: Value, subresource: '' | '/status' = ''): Promise<Value> {
    return this.#change(object, (before) => {
      if (subresource === '')
        return { ...object, metadata: { creationTimestamp: now(), ...kept(before), ...object.metadata } };
      if (!before) throw refusal(object, 404, 'is not there');
      const { uid } = object.metadata;
      if (uid !== undefined && uid !== before.metadata.uid) throw refusal(object, 409, 'is another one by now');
      return { ...before, status: (object as { readonly status?: unknown }).status };
    });
  }

  applyAs<Value extends KubeObject>(_manager: string, object: Value): Promise<Value> {
    return attempt(() => {
      throw refusal(object, 405, NO_WORKLOADS);
    });
  }

  async remove(object: KubeObject, fields: object): Promise<void> {
    await this.#change(object, (before) => {
      if (!before) throw refusal(object, 404, 'is not there');
      return merged(before, fields) as KubeObject;
    });
  }

  patch(object: KubeObject): Promise<void> {
    return attempt(() => {
      throw refusal(object, 405, NO_WORKLOADS);
    });
  }

  async delete({ kind, apiVersion }: Kind, namespace: string, name: string): Promise<void> {
    const identity = { apiVersion, kind, metadata: { name, namespace } };
    const { uid } = this.#objects.get(keyOf(identity))?.metadata ?? {};
    await this.#change(identity, () => undefined);
    // What Kubernetes' garbage collector does.
    const owned = this.all().filter(({ metadata }) => metadata.ownerReferences?.some((owner) => owner.uid === uid));
    if (uid === undefined) return;
    for (const object of owned) await this.#change(object, () => undefined);
  }

  async watch(
    kind: Kind,
    _namespace: string | undefined,
    resourceVersion: string,
    onEvent: (event: WatchEvent) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const [oldest] = this.#changes;
    const since = Number(resourceVersion);
    if (oldest && since < oldest.version - 1) throw new KubeError(`watch ${kind.plural}`, 410, { message: 'too old' });
    const tell = ({ event }: Change): void => {
      if (event.object.kind === kind.kind) onEvent(event);
    };
    this.#changes.filter(({ version }) => version > since).forEach(tell);
    this.#watchers.add(tell);
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
    this.#watchers.delete(tell);
  }

  /** @throws KubeError for what a directory cannot have */
  #has(kind: Kind, doing: string): boolean {
    if (HERE.has(kind.kind)) return true;
    if (NONE.has(kind.kind)) return false;
    throw new KubeError(`${doing} ${kind.plural}`, 405, { message: NO_WORKLOADS });
  }

  /** One after the other. @param update returns the object as it is to be; undefined: it is to be gone */
  async #change<Value extends KubeObject>(
    identity: Value,
    update: (before: Value | undefined) => Value | undefined,
  ): Promise<Value> {
    return this.#updates.run(async () => {
      const key = keyOf(identity);
      const before = this.#objects.get(key) as Value | undefined;
      const wanted = update(before);
      const after = wanted && (asJson({ ...wanted, metadata: { ...wanted.metadata, namespace: NAMESPACE } }) as Value);
      if (before === after || (before && after && isSame(before, after))) return before as Value;
      try {
        await (after ? this.#store.write(after) : this.#store.remove(identity));
      } catch (error) {
        throw new KubeError(`write ${key}`, 0, { message: messageOf(error) }, { cause: error });
      }
      this.#version += 1;
      if (!after) {
        this.#objects.delete(key);
        this.#tell('DELETED', before as Value);
        return before as Value;
      }
      const versioned = this.#versioned(after);
      this.#objects.set(key, versioned);
      this.#tell(before ? 'MODIFIED' : 'ADDED', versioned);
      return versioned;
    });
  }

  #versioned<Value extends KubeObject>(object: Value): Value {
    return { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } };
  }

  #tell(type: string, object: KubeObject): void {
    const change = { version: this.#version, event: { type, object } };
    this.#changes = [...this.#changes.slice(-MOST_CHANGES), change];
    for (const watcher of this.#watchers) watcher(change);
  }
}

/** So that what is thrown rejects a promise. */
async function attempt<Value>(work: () => Value): Promise<Value> {
  return await new Promise<Value>((resolve) => {
    resolve(work());
  });
}

function refusal({ kind, metadata }: KubeObject, code: number, problem: string, reason?: string): KubeError {
  return new KubeError(`${kind} ${metadata.name}`, code, { message: problem, ...(reason !== undefined && { reason }) });
}

/** What an API server writes into an object that a person applies. */
function systemMetadata({ kind }: KubeObject, before: KubeObject | undefined, changed: boolean): Partial<Metadata> {
  const { creationTimestamp = now(), uid = randomUUID(), generation = 0 } = before?.metadata ?? {};
  const isCustom = kind === KINDS.node.kind || kind === KINDS.peer.kind;
  return { creationTimestamp, ...(isCustom && { uid, generation: generation + (changed ? 1 : 0) }) };
}

/** What an apply leaves alone. */
function kept(before: KubeObject | undefined): Partial<Metadata> {
  const { creationTimestamp, uid, generation } = before?.metadata ?? {};
  return {
    ...(creationTimestamp !== undefined && { creationTimestamp }),
    ...(uid !== undefined && { uid }),
    ...(generation !== undefined && { generation }),
  };
}

function isSame(one: KubeObject, other: KubeObject): boolean {
  const plain = ({ metadata: { resourceVersion: _version, ...metadata }, ...rest }: KubeObject): object => ({
    ...rest,
    metadata,
  });
  return isDeepStrictEqual(plain(one), plain(other));
}

/** A merge patch (RFC 7396). */
function merged(value: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const result: Record<string, unknown> = typeof value === 'object' && value !== null ? { ...value } : {};
  for (const [name, change] of Object.entries(patch)) {
    if (change === null) delete result[name];
    else result[name] = merged(result[name], change);
  }
  return result;
}

/** As an API server would return it: without fields that are undefined. */
function asJson(value: object): unknown {
  return JSON.parse(JSON.stringify(value));
}

/** As Kubernetes writes it. */
function now(): string {
  return `${new Date().toISOString().slice(0, 19)}Z`;
}

const NO_WORKLOADS =
  'a directory has no workloads. Remove spec.connect and run the sidecar yourself, and have nats-server reload by itself or by ' +
  '--nats-pid-file (docs/directory.md)';

import { delay } from '../../common/backoff.ts';
import { splitKey } from '../cluster/formats.ts';

/**
 * When a key is to be reconciled again: after some milliseconds, or, where that is absent, not before something
 * changes.
 */
export interface ReconcileResult {
  readonly requeueAfterMs?: number;
}

export interface QueueOptions {
  /** Reconciles one key. If it throws, it is tried again after a delay that grows with each failure. */
  readonly reconcile: (key: string) => Promise<ReconcileResult>;
  /** @param failures in a row, 1 for the first */
  readonly onError: (key: string, error: unknown, failures: number) => void;
  /** While so many are being reconciled, only a namespace of which none is may begin with one. */
  readonly concurrency: number;
  /** How many keys of one namespace may be reconciled at once. */
  readonly concurrencyOfNamespace: number;
  /** How many keys may be reconciled at once in all, whatever the number of namespaces. */
  readonly mostAtOnce: number;
}

interface Entry {
  running: boolean;
  /** Whether it was added again while it ran. */
  dirty: boolean;
  failures: number;
  timer: NodeJS.Timeout | undefined;
}

/** The keys of one namespace: how many run, and which wait, the one that has waited longest first. */
interface Lane {
  running: number;
  readonly ready: Set<string>;
}

/**
 * The work queue of a controller, with keys `namespace/name`. Two reconciles of one key never overlap, and a key that
 * is added several times while it waits or runs is reconciled once more.
 *
 * It is fair by namespace: each may be another tenant's, and a reconcile takes a minute where the tenant's nats-server does not
 * answer. So a namespace of which nothing runs need not wait for a free place, and among the others the one with the fewest
 * reconciles is next.
 */
export class Queue {
  readonly #options: QueueOptions;
  readonly #entries = new Map<string, Entry>();
  /** By namespace; the one that was served longest ago comes first. */
  readonly #lanes = new Map<string, Lane>();
  #running = 0;
  #ready = 0;
  #stopped = false;
  #idle = Promise.withResolvers<void>();

  constructor(options: QueueOptions) {
    this.#options = options;
  }

  /** Has this key reconciled as soon as possible. */
  add(key: string): void {
    if (this.#stopped) return;
    const entry = this.#entry(key);
    if (entry.running) {
      entry.dirty = true;
      return;
    }
    if (entry.timer) clearTimeout(entry.timer);
    entry.timer = undefined;
    this.#enqueue(key);
    this.#pump();
  }

  /** How many keys wait or are being reconciled. */
  get depth(): number {
    return this.#ready + this.#running;
  }

  /** Starts no further reconcile. Resolves when the running ones have ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#lanes.clear();
    this.#ready = 0;
    for (const { timer } of this.#entries.values()) if (timer) clearTimeout(timer);
    if (this.#running > 0) await this.#idle.promise;
  }

  #entry(key: string): Entry {
    const known = this.#entries.get(key) ?? { running: false, dirty: false, failures: 0, timer: undefined };
    this.#entries.set(key, known);
    return known;
  }

  #enqueue(key: string): void {
    const { namespace } = splitKey(key);
    const lane = this.#lanes.get(namespace) ?? { running: 0, ready: new Set() };
    this.#lanes.set(namespace, lane);
    if (lane.ready.has(key)) return;
    lane.ready.add(key);
    this.#ready += 1;
  }

  #pump(): void {
    for (let next = this.#next(); next !== undefined && !this.#stopped; next = this.#next()) {
      const [namespace, lane] = next;
      const [key = ''] = lane.ready;
      lane.ready.delete(key);
      lane.running += 1;
      this.#ready -= 1;
      this.#running += 1;
      // Behind the others, so that those with as few reconciles are served before it is again.
      this.#lanes.delete(namespace);
      this.#lanes.set(namespace, lane);
      void this.#run(key, lane);
    }
  }

  /** The namespace whose turn it is. */
  #next(): readonly [namespace: string, lane: Lane] | undefined {
    const { concurrency, concurrencyOfNamespace, mostAtOnce } = this.#options;
    if (this.#ready === 0 || this.#running >= mostAtOnce) return undefined;
    const most = this.#running < concurrency ? concurrencyOfNamespace : 1;
    let found: readonly [string, Lane] | undefined;
    for (const [namespace, lane] of this.#lanes) {
      if (lane.ready.size === 0 || lane.running >= most) continue;
      if (found === undefined || lane.running < found[1].running) found = [namespace, lane];
      if (lane.running === 0) break;
    }
    return found;
  }

  async #run(key: string, lane: Lane): Promise<void> {
    const entry = this.#entry(key);
    entry.running = true;
    let requeueAfterMs: number | undefined;
    try {
      ({ requeueAfterMs } = await this.#options.reconcile(key));
      entry.failures = 0;
    } catch (error) {
      entry.failures += 1;
      requeueAfterMs = delay(entry.failures, Math.random());
      this.#options.onError(key, error, entry.failures);
    }
    entry.running = false;
    lane.running -= 1;
    this.#running -= 1;
    this.#requeue(key, entry, requeueAfterMs);
    const { namespace } = splitKey(key);
    if (lane.running === 0 && lane.ready.size === 0) this.#lanes.delete(namespace);
    if (this.#running === 0 && this.#stopped) this.#idle.resolve();
    this.#pump();
  }

  #requeue(key: string, entry: Entry, requeueAfterMs: number | undefined): void {
    if (this.#stopped) return;
    if (entry.dirty) {
      entry.dirty = false;
      this.#enqueue(key);
    } else if (requeueAfterMs !== undefined) {
      entry.timer = setTimeout(() => this.add(key), requeueAfterMs);
    } else {
      this.#entries.delete(key);
    }
  }
}

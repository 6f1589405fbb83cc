import { delay } from '../../common/backoff.ts';
import { splitKey } from '../kube/formats.ts';

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
  /** How many keys may be reconciled at once. */
  readonly concurrency: number;
  /**
   * How many of them may be of one namespace: one whose nats-servers are slow to answer must not hold up the others.
   */
  readonly concurrencyOfNamespace: number;
}

interface Entry {
  running: boolean;
  /** Whether it was added again while it ran. */
  dirty: boolean;
  failures: number;
  timer: NodeJS.Timeout | undefined;
}

/**
 * The work queue of a controller, with keys `namespace/name`. Two reconciles of one key never overlap, and a key that
 * is added several times while it waits or runs is reconciled once more.
 */
export class Queue {
  readonly #options: QueueOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #ready: string[] = [];
  readonly #runningOf = new Map<string, number>();
  #running = 0;
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
    if (!this.#ready.includes(key)) this.#ready.push(key);
    this.#pump();
  }

  /** How many keys wait or are being reconciled. */
  get depth(): number {
    return this.#ready.length + this.#running;
  }

  /** Starts no further reconcile. Resolves when the running ones have ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#ready.length = 0;
    for (const { timer } of this.#entries.values()) if (timer) clearTimeout(timer);
    if (this.#running > 0) await this.#idle.promise;
  }

  #entry(key: string): Entry {
    const known = this.#entries.get(key) ?? { running: false, dirty: false, failures: 0, timer: undefined };
    this.#entries.set(key, known);
    return known;
  }

  #pump(): void {
    while (this.#running < this.#options.concurrency) {
      const index = this.#ready.findIndex((key) => this.#hasRoom(splitKey(key).namespace));
      const [key] = index < 0 ? [] : this.#ready.splice(index, 1);
      if (key === undefined) return;
      this.#count(key, 1);
      void this.#run(key);
    }
  }

  #hasRoom(namespace: string): boolean {
    return (this.#runningOf.get(namespace) ?? 0) < this.#options.concurrencyOfNamespace;
  }

  #count(key: string, more: 1 | -1): void {
    const { namespace } = splitKey(key);
    this.#running += more;
    const running = (this.#runningOf.get(namespace) ?? 0) + more;
    if (running === 0) this.#runningOf.delete(namespace);
    else this.#runningOf.set(namespace, running);
  }

  async #run(key: string): Promise<void> {
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
    this.#count(key, -1);
    this.#requeue(key, entry, requeueAfterMs);
    if (this.#running === 0 && this.#stopped) this.#idle.resolve();
    this.#pump();
  }

  #requeue(key: string, entry: Entry, requeueAfterMs: number | undefined): void {
    if (this.#stopped) return;
    if (entry.dirty) {
      entry.dirty = false;
      this.#ready.push(key);
    } else if (requeueAfterMs !== undefined) {
      entry.timer = setTimeout(() => this.add(key), requeueAfterMs);
    } else {
      this.#entries.delete(key);
    }
  }
}

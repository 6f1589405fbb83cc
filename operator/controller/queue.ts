import { delay } from '../../common/backoff.ts';

/** What a turn wants next: to be looked at again after some milliseconds, or not before something changes. */
export interface ReconcileResult {
  readonly requeueAfterMs?: number;
}

export interface QueueOptions {
  /** One turn over a key. What it throws is retried with a growing delay. */
  readonly reconcile: (key: string) => Promise<ReconcileResult>;
  readonly onError: (key: string, error: unknown, failures: number) => void;
  /** How many keys may be under way at once. */
  readonly concurrency: number;
  /** How many of one namespace: whose nats-servers keep every turn waiting must not keep those of others. */
  readonly concurrencyOfNamespace: number;
}

interface Entry {
  running: boolean;
  /** Asked for again while it ran. */
  dirty: boolean;
  failures: number;
  timer: NodeJS.Timeout | undefined;
}

/**
 * The work queue of a controller, over keys `namespace/name`: turns over one never overlap, and however often a key is added
 * while it waits or runs, it gets one turn more.
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

  /** A turn over this key, as soon as may be. */
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

  get depth(): number {
    return this.#ready.length + this.#running;
  }

  /** Starts no further turn. Resolves when those under way have ended. */
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
      const index = this.#ready.findIndex((key) => this.#isFree(namespaceOf(key)));
      const [key] = index < 0 ? [] : this.#ready.splice(index, 1);
      if (key === undefined) return;
      this.#count(key, 1);
      void this.#run(key);
    }
  }

  #isFree(namespace: string): boolean {
    return (this.#runningOf.get(namespace) ?? 0) < this.#options.concurrencyOfNamespace;
  }

  #count(key: string, more: 1 | -1): void {
    const namespace = namespaceOf(key);
    this.#running += more;
    const running = (this.#runningOf.get(namespace) ?? 0) + more;
    if (running === 0) this.#runningOf.delete(namespace);
    else this.#runningOf.set(namespace, running);
  }

  async #run(key: string): Promise<void> {
    const entry = this.#entry(key);
    entry.running = true;
    let again: number | undefined;
    try {
      again = (await this.#options.reconcile(key)).requeueAfterMs;
      entry.failures = 0;
    } catch (error) {
      entry.failures += 1;
      again = delay(entry.failures, Math.random());
      this.#options.onError(key, error, entry.failures);
    }
    entry.running = false;
    this.#count(key, -1);
    this.#next(key, entry, again);
    if (this.#running === 0 && this.#stopped) this.#idle.resolve();
    this.#pump();
  }

  #next(key: string, entry: Entry, requeueAfterMs: number | undefined): void {
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

/** Of `namespace/name`. */
function namespaceOf(key: string): string {
  return key.split('/', 1)[0] ?? '';
}

import type { Logger } from '../common/log.ts';

/** One piece of work, such as the replay of a peer. */
export interface Work {
  /** Everything that it is started with. Where that changes, it has to be started again. */
  readonly fingerprint: string;
  readonly log: Logger;
  /** Runs until `signal`, and finishes what is under way first. What it throws is a bug that is not its own. */
  readonly run: (signal: AbortSignal) => Promise<void>;
}

interface Running {
  readonly fingerprint: string;
  readonly log: Logger;
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

/** Why a sidecar does nothing for now, where the group has not told a reason yet. */
export const NOT_JOINED =
  "not a member of the consumer group of this node's sidecars: waiting for Kafka; this sidecar's log says why";

/**
 * The work that runs side by side in a sidecar, each under a key. Who owns this decides what should run, and is asked again
 * whenever something has ended.
 */
export class RunningWork {
  readonly #running = new Map<string, Running>();
  readonly #onEnd: () => void;
  readonly #onBug: (error: unknown) => void;
  #stopped = false;

  /**
   * @param onEnd called when something has ended, unless all of it was stopped
   * @param onBug called with what work or `onEnd` throws
   */
  constructor(onEnd: () => void, onBug: (error: unknown) => void) {
    this.#onEnd = onEnd;
    this.#onBug = onBug;
  }

  /** Set once {@link stop} was called: nothing may be started any more. */
  get stopped(): boolean {
    return this.#stopped;
  }

  has(key: string): boolean {
    return this.#running.has(key);
  }

  /** Whether what runs under a key was started with just this. */
  runsAs(key: string, fingerprint: string): boolean {
    return this.#running.get(key)?.fingerprint === fingerprint;
  }

  /** pino's children have copies of their parent's level. */
  setLogLevel(level: string): void {
    for (const { log } of this.#running.values()) log.level = level;
  }

  start(key: string, { fingerprint, log, run }: Work): void {
    const stop = new AbortController();
    const done = run(stop.signal)
      .finally(() => {
        this.#running.delete(key);
        if (!this.#stopped) this.#onEnd();
      })
      .catch(this.#onBug);
    this.#running.set(key, { fingerprint, log, stop, done });
  }

  /** Asks everything to end that should not run as it was started. */
  endUnless(shouldRun: (key: string, fingerprint: string) => boolean): void {
    for (const [key, { fingerprint, stop }] of this.#running) if (!shouldRun(key, fingerprint)) stop.abort();
  }

  /** Ends everything; resolves when it has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.endUnless(() => false);
    await Promise.all([...this.#running.values()].map(({ done }) => done));
  }
}

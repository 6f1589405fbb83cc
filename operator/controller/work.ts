import { messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { PeerObject, StoredNode } from '../plan/observed/observed.ts';
import type { RecordEvents } from './events.ts';
import { Queue } from './queue.ts';
import { LASTING_FAILURES, NodeController } from './reconcile.ts';
import { Watches } from './watches.ts';

/** Reconciles wait for the network most of the time. A namespace of which none runs may have one besides these. */
const CONCURRENT_NODES = 8;
const CONCURRENT_NODES_OF_NAMESPACE = 4;
/** Each may have some MB of answers in memory. */
const MOST_CONCURRENT_NODES = 64;
/** Every node is reconciled at least this often, whatever event was missed. */
const RESYNC_MS = 5 * 60_000;

export interface WorkOptions {
  readonly cluster: Cluster;
  /** The namespaces to look after; undefined: all of them. */
  readonly namespaces: readonly string[] | undefined;
  readonly log: Logger;
  /** The image of the sidecars; undefined: none is injected. */
  readonly image: string | undefined;
  readonly recordEvents: RecordEvents;
  readonly metrics: {
    readonly queued: (keys: number) => void;
    readonly reconciled: (seconds: number, outcome: 'ok' | 'failed') => void;
  };
}

/** All that the operator does while it is the one that works: it watches the objects, and reconciles every node that a change concerns. */
export class Work {
  readonly #options: WorkOptions;
  readonly #watches: Watches;
  readonly #controller: NodeController;
  readonly #queue: Queue;

  constructor(options: WorkOptions) {
    const { cluster: api, namespaces, log, image, recordEvents } = options;
    this.#options = options;
    this.#watches = new Watches(api, namespaces, log);
    this.#controller = new NodeController({ api, watches: this.#watches, log, image, recordEvents });
    this.#queue = new Queue({
      concurrency: CONCURRENT_NODES,
      concurrencyOfNamespace: CONCURRENT_NODES_OF_NAMESPACE,
      mostAtOnce: MOST_CONCURRENT_NODES,
      reconcile: (key) => this.#reconcile(key),
      onError: (key, error, failures) => this.#tellFailure(key, error, failures),
    });
  }

  /** Nodes that wait to be reconciled, or are being reconciled. */
  get queued(): number {
    return this.#queue.depth;
  }

  /** Every node and peer that is watched, as it was last seen. */
  reported(): readonly (StoredNode | PeerObject)[] {
    const { nodes, peers } = this.#watches.watched;
    return [...nodes.all(), ...peers.all()];
  }

  /** The namespaces in which not everything was listed yet; `all of them` where there is one watch for all. */
  unlisted(): readonly string[] {
    return this.#watches.unlisted();
  }

  /** Works until `signal` is aborted, and then until what was begun has ended. */
  async run(signal: AbortSignal): Promise<void> {
    const watched = this.#watches.run((key) => this.#queue.add(key), signal);
    const resync = setInterval(() => this.#watches.keys().forEach((key) => this.#queue.add(key)), RESYNC_MS);
    await aborted(signal);
    clearInterval(resync);
    await this.#queue.stop();
    await watched;
  }

  async #reconcile(key: string): ReturnType<NodeController['reconcile']> {
    const { metrics } = this.#options;
    const started = performance.now();
    const ended = (outcome: 'ok' | 'failed'): void => metrics.reconciled((performance.now() - started) / 1000, outcome);
    const result = await this.#controller.reconcile(key).catch((error: unknown) => {
      ended('failed');
      throw error;
    });
    ended('ok');
    metrics.queued(this.#queue.depth);
    return result;
  }

  #tellFailure(key: string, error: unknown, failures: number): void {
    const { log } = this.#options;
    const lasts = failures >= LASTING_FAILURES;
    log[lasts ? 'error' : 'warn']({ node: key, failures, problem: messageOf(error), err: error }, 'a reconcile failed');
    if (!lasts) return;
    this.#controller.reportFailure(key, error).catch((unpublished: unknown) => {
      log.warn({ node: key, problem: messageOf(unpublished) }, 'the conditions cannot say that reconciles fail');
    });
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

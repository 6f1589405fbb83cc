import { messageOf } from '../common/errors.ts';
import { createLogger } from '../common/log.ts';
import { startProbeServer } from '../common/probe-server.ts';
import { VERSION } from '../common/version.ts';
import { readConfig } from './config.ts';
import { eventRecorder } from './controller/events.ts';
import { Leadership } from './controller/lease.ts';
import { Queue } from './controller/queue.ts';
import { NodeController } from './controller/reconcile.ts';
import { Watches } from './controller/watches.ts';
import { KubeClient } from './kube/client.ts';
import { loadKubeConfig } from './kube/config.ts';
import { createMetrics } from './metrics.ts';

const LEASE = 'lfh-sync-operator';
/** Reconciles wait for the network most of the time. A namespace of which none runs may have one besides these. */
const CONCURRENT_NODES = 8;
const CONCURRENT_NODES_OF_NAMESPACE = 4;
/** Each may have some MB of answers in memory. */
const MOST_CONCURRENT_NODES = 64;
/** After so many failures in a row of one node, its conditions say so: one or two can be a moment without the API server. */
const LASTING_FAILURES = 3;
/** Every node is reconciled at least this often, whatever event was missed. */
const RESYNC_MS = 5 * 60_000;

/**
 * Runs the operator until `signal` is aborted: waits until it leads, watches the cluster, and reconciles every node.
 *
 * @throws InvalidInputError for settings that are wrong, LeaseLostError when another operator leads, and anything that
 *   is a bug
 */
export async function run(env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<void> {
  const config = readConfig(env);
  const log = createLogger({ name: 'lfh-sync-operator', level: config.logLevel });
  const kubeConfig = loadKubeConfig(env);
  const lease = new Leadership({
    api: new KubeClient(kubeConfig),
    namespace: config.namespace,
    name: LEASE,
    identity: config.identity,
    log,
  });
  const api = new KubeClient(kubeConfig, () => lease.holds(), true);
  const watches = new Watches(api, config.namespaces, log);
  const metrics = createMetrics(VERSION, () => [...watches.watched.nodes.all(), ...watches.watched.peers.all()]);
  const controller = new NodeController({
    api,
    watches,
    log,
    image: config.image,
    recordEvents: eventRecorder(api, config.identity, log),
  });
  const queue = new Queue({
    concurrency: CONCURRENT_NODES,
    concurrencyOfNamespace: CONCURRENT_NODES_OF_NAMESPACE,
    mostAtOnce: MOST_CONCURRENT_NODES,
    reconcile: async (key) => {
      const started = performance.now();
      const ended = (outcome: 'ok' | 'failed'): void =>
        metrics.reconciled((performance.now() - started) / 1000, outcome);
      const result = await controller.reconcile(key).catch((error: unknown) => {
        ended('failed');
        throw error;
      });
      ended('ok');
      metrics.queued(queue.depth);
      return result;
    },
    onError: (key, error, failures) => {
      const lasts = failures >= LASTING_FAILURES;
      log[lasts ? 'error' : 'warn'](
        { node: key, failures, problem: messageOf(error), err: error },
        'a reconcile failed',
      );
      if (!lasts) return;
      controller.reportFailure(key, error).catch((unpublished: unknown) => {
        log.warn({ node: key, problem: messageOf(unpublished) }, 'the conditions cannot say that reconciles fail');
      });
    },
  });
  const ended = new AbortController();
  const leading = new AbortController();
  const stop = AbortSignal.any([signal, ended.signal]);
  let state: 'Waiting' | 'Working' = 'Waiting';
  const probes = await startProbeServer(config.httpAddress, {
    healthy: () => !ended.signal.aborted,
    // An operator that waits until it may lead is as ready as it can be.
    ready: () => state === 'Waiting' || watches.unlisted().length === 0 || notListed(watches.unlisted()),
    status: () => ({ version: VERSION, state, namespaces: config.namespaces ?? 'all', queued: queue.depth }),
    metrics: () => metrics.text(),
  });
  log.info({ version: VERSION, port: probes.port, namespaces: config.namespaces ?? 'all' }, 'started');
  try {
    await lease.acquire(stop);
    if (stop.aborted) return;
    log.info({ lease: LEASE }, 'leading');
    metrics.leading(true);
    state = 'Working';
    // The lease is kept until the last reconcile has ended: another operator must not begin while this one still
    // writes.
    const kept = lease.keep(leading.signal);
    kept.catch(() => ended.abort());
    const watched = watches.run((key) => queue.add(key), stop);
    const resync = setInterval(() => watches.keys().forEach((key) => queue.add(key)), RESYNC_MS);
    await Promise.race([kept, aborted(stop)]).finally(() => clearInterval(resync));
    await queue.stop();
    leading.abort();
    await Promise.all([kept, watched]);
  } finally {
    ended.abort();
    metrics.leading(false);
    await lease.release();
    await probes.close();
    log.info('ended');
  }
}

function notListed(namespaces: readonly string[]): string {
  const advice = 'is the API server reachable, are the CRDs installed, have we the rights there?';
  return `not everything was listed yet, in these namespaces: ${namespaces.join(', ')}; ${advice}`;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

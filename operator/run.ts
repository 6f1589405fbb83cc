import { createLogger } from '../common/log.ts';
import { startProbeServer } from '../common/probe-server.ts';
import { VERSION } from '../common/version.ts';
import { readConfig } from './config.ts';
import { eventRecorder } from './controller/events.ts';
import { Leadership } from './controller/lease.ts';
import { Work } from './controller/work.ts';
import { KubeClient } from './kube/client.ts';
import { loadKubeConfig } from './kube/config.ts';
import { createMetrics } from './metrics.ts';

const LEASE = 'lfh-sync-operator';

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
  const cluster = new KubeClient(kubeConfig, () => lease.holds(), true);
  const metrics = createMetrics(VERSION, () => work.reported());
  const work = new Work({
    cluster,
    namespaces: config.namespaces,
    log,
    image: config.image,
    recordEvents: eventRecorder(cluster, config.identity, log),
    metrics,
  });
  const ended = new AbortController();
  const leading = new AbortController();
  const stop = AbortSignal.any([signal, ended.signal]);
  let state: 'Waiting' | 'Working' = 'Waiting';
  const probes = await startProbeServer(config.httpAddress, {
    healthy: () => !ended.signal.aborted,
    // An operator that waits until it may lead is as ready as it can be.
    ready: () => state === 'Waiting' || work.unlisted().length === 0 || notListed(work.unlisted()),
    status: () => ({ version: VERSION, state, namespaces: config.namespaces ?? 'all', queued: work.queued }),
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
    // writes. When it is lost, nothing is waited for.
    const kept = lease.keep(leading.signal);
    kept.catch(() => ended.abort());
    const working = work.run(stop);
    await Promise.race([kept, working]);
    leading.abort();
    await Promise.all([kept, working]);
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

import { sleep } from '../common/backoff.ts';
import type { SidecarStatus } from '../common/contract/status.ts';
import { limitedChild } from '../common/log.ts';
import { startProbeServer } from '../common/probe-server.ts';
import { VERSION } from '../common/version.ts';
import { createAnnounceMetrics } from './announce/metrics.ts';
import { AnnounceStage } from './announce/stage.ts';
import { createTransmitMetrics } from './fhir/metrics.ts';
import { TransmitStage } from './fhir/stage.ts';
import { localNatsOptions, localNatsPublicKey } from './nats/options.ts';
import type { Parts } from './parts.ts';
import { createMetrics } from './session/metrics.ts';
import { Supervisor } from './session/supervisor.ts';
import { SettingsInForce } from './settings/in-force.ts';
import { watchSettings } from './settings/settings.ts';

/** How long what is being committed may take once this process is asked to end. Kubernetes kills it after 30 s by default. */
const FINISH_MS = 8_000;

/** After that nothing is being committed any more; what a replay still waits for is given up. */
const STOP_MS = FINISH_MS + 4_000;

/**
 * Runs a sidecar until `signal`: the replays, the transmission to FHIR servers, the announcements, the status over HTTP and
 * NATS, and the watch on the settings. Everything is made first and started afterwards, so that nothing is used before it
 * exists.
 *
 * @throws what listening throws, such as EADDRINUSE, and any bug
 */
export async function run(parts: Parts, signal: AbortSignal): Promise<void> {
  const { env, settings, log, kafka, localNats, openStream } = parts;
  const { lfhId, node } = settings;
  const startedAt = new Date().toISOString();
  const bug = Promise.withResolvers<never>();
  const metrics = createMetrics(VERSION);
  const supervisor = new Supervisor(
    { kafka, owners: kafka.owners, openStream, metrics, log, onBug: bug.reject },
    settings,
  );
  const transmitMetrics = createTransmitMetrics();
  const transmission = new TransmitStage(
    { kafka, owners: kafka.owners, metrics: transmitMetrics, log, onBug: bug.reject },
    settings,
  );
  const announceMetrics = settings.announce ? createAnnounceMetrics() : undefined;
  const announcements =
    announceMetrics &&
    new AnnounceStage({
      kafka,
      owners: kafka.owners,
      nats: localNats,
      metrics: announceMetrics,
      // What is too large depends on what peers send.
      log: limitedChild(log, {}),
      onBug: bug.reject,
    });
  const inForce = new SettingsInForce(settings, log, (changed) => {
    localNats.signInWith(localNatsOptions(changed, log));
    supervisor.apply(changed);
    transmission.apply(changed);
  });
  const status = (): SidecarStatus => ({
    lfhId,
    node,
    version: VERSION,
    startedAt,
    settings: inForce.status,
    publicKeys: inForce.publicKeys,
    nats: localNats.state,
    kafka: { joined: kafka.owners.joined, remark: kafka.remark ?? null },
    peers: supervisor.peers(),
    transmit: transmission.servers(),
    ...(announcements && { announce: announcements.status }),
  });

  const probes = await startProbeServer(settings.httpAddress, {
    healthy: () => true,
    ready: () => kafka.owners.joined || 'not a member of the owners group: is Kafka up?',
    status,
    metrics: async () => {
      const all = [metrics, transmitMetrics, ...(announceMetrics ? [announceMetrics] : [])];
      return (await Promise.all(all.map((each) => each.text()))).join('');
    },
  });
  const { port } = probes;
  const localNatsKey = localNatsPublicKey(settings);
  log.info({ lfhId, port, peers: settings.peers.length, version: VERSION, localNatsKey }, 'started');
  localNats.start({ node, version: VERSION, status });
  kafka.owners.start();

  const ended = new AbortController();
  const watch = watchSettings(env, settings, inForce, AbortSignal.any([signal, ended.signal]));
  try {
    await Promise.race([bug.promise, watch]);
  } finally {
    ended.abort();
    await watch;
    // A Kafka that has fallen silent must not keep this process: the position says later what was committed.
    const late = setTimeout(() => kafka.abandon(), FINISH_MS);
    // A peer's server must not keep it either, by never ending an answer.
    await atMost(STOP_MS, Promise.all([supervisor.stop(), transmission.stop(), announcements?.stop()]));
    await localNats.close();
    await kafka.close();
    clearTimeout(late);
    await probes.close();
    log.info('ended');
  }
}

/** Waits for work, but no longer than `ms`. @throws what the work throws until then */
async function atMost(ms: number, work: Promise<unknown>): Promise<void> {
  const over = new AbortController();
  try {
    await Promise.race([work, sleep(ms, over.signal)]);
  } finally {
    over.abort();
  }
}

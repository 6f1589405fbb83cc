import { readFileSync } from 'node:fs';
import { DURABLE } from '../common/contract/durable.ts';
import { APP_SYNC_SUBJECT, inboxPrefix, syncName } from '../common/contract/names.ts';
import { localNatsSeed } from '../common/contract/nkeys.ts';
import type { LoadedPeer } from '../common/contract/peers.ts';
import type { SidecarStatus } from '../common/contract/status.ts';
import { createLogger, type Logger } from '../common/log.ts';
import { startProbeServer } from '../common/probe-server.ts';
import type { KafkaSasl } from './kafka/client.ts';
import { openKafka } from './kafka/open.ts';
import { type LocalNats, type LocalNatsOptions, openLocalNats } from './nats/local-nats.ts';
import { openPeerStream } from './nats/peer-stream.ts';
import { publicKeyOf } from './nats/public-key.ts';
import type { KafkaPort, PeerStream } from './ports.ts';
import { Announcements } from './session/announcements.ts';
import { createMetrics } from './session/metrics.ts';
import { Supervisor } from './session/supervisor.ts';
import { type LoadedSettings, loadSettings, watchSettings } from './settings/settings.ts';

/**
 * Puts something around the ports. Chaos tests kill the process between two steps of a real transaction this way; nothing
 * in the product knows of it.
 */
export interface Wrapping {
  readonly kafka?: (port: KafkaPort) => KafkaPort;
  readonly stream?: (stream: PeerStream) => PeerStream;
  /** Where a test made durables with a shorter one. */
  readonly ackWaitMs?: number;
  /** Where a test does not wait a minute until the current key is tried again. */
  readonly keyRetryMs?: number;
}

/**
 * Runs the sidecar until `signal`: settings, Kafka, NATS, the replays, and the HTTP server that tells of them.
 *
 * @throws InvalidInputError or MissingReferenceError when the settings it starts with are wrong, and whatever is a bug
 */
export async function run(env: NodeJS.ProcessEnv, signal: AbortSignal, wrapping: Wrapping = {}): Promise<void> {
  const started = await loadSettings(env);
  const log = createLogger({ name: 'lfh-sync-sidecar', level: started.logLevel });
  const metrics = createMetrics();
  const kafka = openKafka({ ...kafkaOptions(started), log });
  let own = started;
  const openOwn = (settings: LoadedSettings): LocalNats =>
    openLocalNats({ ...localNatsOptions(settings, log), keyRetryMs: wrapping.keyRetryMs, service });
  let settingsStatus: SidecarStatus['settings'] = { state: 'Current', message: '' };
  const startedAt = new Date().toISOString();
  const { lfhId, node } = started;
  // What it tells of is made below, before anything can ask.
  const status = (): SidecarStatus => ({
    lfhId,
    node,
    version: VERSION,
    startedAt,
    settings: settingsStatus,
    publicKeys: own.publicKeys,
    nats: localNats.state,
    kafka: { joined: kafka.owners.joined },
    peers: sidecar.peers(),
  });
  const service = { node, version: VERSION, status };
  let localNats = openOwn(started);
  let ownChanged = Promise.resolve();
  /** The one before goes on until there is another, or none can be had: a key that is replaced costs no announcements. */
  const changeOwn = async (settings: LoadedSettings): Promise<void> => {
    const before = localNats;
    const next = openOwn(settings);
    await next.tried;
    localNats = next;
    await before.close();
  };
  const announcements = started.announce
    ? new Announcements({ announce: (messages) => localNats.announce(messages) }, log, (count) =>
        metrics.announceFailed(count),
      )
    : undefined;
  const bug = Promise.withResolvers<never>();

  const sidecar = new Supervisor(
    {
      kafka: wrapping.kafka?.(kafka) ?? kafka,
      owners: kafka.owners,
      openStream: async (settings, peer, server) => {
        const options = { ...streamOptions(settings, peer, server, log), keyRetryMs: wrapping.keyRetryMs };
        const stream = await openPeerStream(options);
        return wrapping.stream?.(stream) ?? stream;
      },
      announcements,
      ackWaitMs: wrapping.ackWaitMs ?? ACK_WAIT_MS,
      metrics,
      log,
      onBug: bug.reject,
    },
    started,
  );
  const probes = await startProbeServer(started.httpAddress, {
    healthy: () => true,
    ready: () => kafka.owners.joined || 'not a member of the owners group: is Kafka up?',
    status,
    metrics: () => metrics.text(),
  });
  // Without an operator, whoever sets up the local NATS has to let this one in.
  const localNatsKey = publicKeyOf(ownSeed(started.seed));
  log.info({ lfhId, port: probes.port, peers: started.peers.length, version: VERSION, localNatsKey }, 'started');
  kafka.owners.start();

  const ended = new AbortController();
  const stop = AbortSignal.any([signal, ended.signal]);
  const watch = watchSettings(
    env,
    started,
    {
      onChange: (settings, restartNeeded) => {
        log.level = settings.logLevel;
        settingsStatus =
          restartNeeded.length === 0
            ? { state: 'Current', message: '' }
            : { state: 'RestartNeeded', message: `${restartNeeded.join(', ')} take effect at the next start` };
        log.info({ peers: settings.peers.length, restartNeeded }, 'took up changed settings');
        if (!signsInAlike(settings, own)) ownChanged = ownChanged.then(() => changeOwn(settings));
        own = settings;
        sidecar.apply(settings);
      },
      onProblem: (message) => {
        settingsStatus = { state: 'Refused', message };
        log.error(
          { problem: message },
          'the settings were changed to something that does not parse; the last good ones stay',
        );
      },
    },
    stop,
  );
  try {
    await Promise.race([bug.promise, watch]);
  } finally {
    ended.abort();
    await watch;
    await sidecar.stop();
    await announcements?.drained();
    await ownChanged;
    await localNats.close();
    await kafka.close();
    await probes.close();
    log.info('ended');
  }
}

/** The durable's ack_wait, and a second for what the line takes. */
const ACK_WAIT_MS = DURABLE.ackWaitMs + 1_000;

const VERSION = (JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string })
  .version;

function kafkaOptions(settings: LoadedSettings): Omit<Parameters<typeof openKafka>[0], 'log'> {
  const { kafkaBrokers, node, kafkaTls, kafkaCa } = settings;
  return {
    brokers: kafkaBrokers,
    node,
    clientId: `lfh-sync-${node}`,
    tls: kafkaTls ? { ca: kafkaCa } : undefined,
    sasl: saslOf(settings),
    partitions: settings.newTopicPartitions,
    replicationFactor: settings.newTopicReplicationFactor,
    maxTopics: settings.maxTopics,
  };
}

function saslOf(settings: LoadedSettings): KafkaSasl | undefined {
  const { kafkaSaslMechanism: mechanism, kafkaSaslUsername: username, kafkaPassword: password } = settings;
  return mechanism && username && password !== undefined ? { mechanism, username, password } : undefined;
}

function localNatsOptions(settings: LoadedSettings, log: Logger): Omit<LocalNatsOptions, 'service'> {
  return {
    servers: settings.natsServers,
    subject: APP_SYNC_SUBJECT,
    seed: ownSeed(settings.seed),
    previousSeed: settings.previousSeed && ownSeed(settings.previousSeed),
    ca: settings.localCa,
    inboxPrefix: inboxPrefix(`${syncName(settings.lfhId)}.own`),
    name: 'lfh-sync-sidecar',
    allowPlaintext: true,
    log,
  };
}

/** What peers' servers get a signature of is not let in at home. */
function ownSeed(nodeSeed: Uint8Array): Uint8Array {
  return new TextEncoder().encode(localNatsSeed(nodeSeed));
}

/** Whether the local NATS would see no difference. */
function signsInAlike(one: LoadedSettings, other: LoadedSettings): boolean {
  return one.localCa === other.localCa && one.publicKeys.join() === other.publicKeys.join();
}

function streamOptions(
  settings: LoadedSettings,
  peer: LoadedPeer,
  server: string,
  log: Logger,
): Parameters<typeof openPeerStream>[0] {
  const own = syncName(settings.lfhId);
  return {
    server,
    owner: peer.name,
    seed: settings.seed,
    previousSeed: settings.previousSeed,
    ca: peer.ca,
    tlsServerName: peer.tlsServerName,
    stream: peer.stream,
    durable: peer.consumer ?? own,
    inboxPrefix: inboxPrefix(own),
    name: own,
    log: log.child({ peer: peer.name }),
  };
}

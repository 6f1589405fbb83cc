import { formatMatcher } from '../../common/contract/formats.ts';
import { ownersPartition, syncName } from '../../common/contract/names.ts';
import type { LoadedPeer } from '../../common/contract/peers.ts';
import type { PeerStatus } from '../../common/contract/status.ts';
import { type Logger, limitedChild } from '../../common/log.ts';
import type { KafkaPort, OwnersPort, PeerStream } from '../ports.ts';
import { NOT_JOINED, RunningWork } from '../running-work.ts';
import type { LoadedSettings } from '../settings/settings.ts';
import { Allowance } from './allowance.ts';
import type { Metrics } from './metrics.ts';
import { type PeerReplay, replayPeer } from './peer.ts';
import { PeerReport } from './report.ts';

/**
 * Connects to one of a peer's servers.
 *
 * @param log the logger of that peer
 */
export type OpenStream = (
  settings: LoadedSettings,
  peer: LoadedPeer,
  server: string,
  log: Logger,
) => Promise<PeerStream>;

/** What the supervisor works with; sidecar/run.ts puts it together. */
export interface SupervisorPorts {
  readonly kafka: KafkaPort;
  readonly owners: OwnersPort;
  readonly openStream: OpenStream;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** Ends the process, after a bug that is not in the replay of a peer; one that is stops that peer alone. */
  readonly onBug: (error: unknown) => void;
}

/**
 * Keeps one replay running for each peer that is in the settings, not paused, and whose partition this sidecar holds.
 *
 * Peers share nothing but the process: each has its own connection, its own Kafka producer and its own retries, so that
 * one peer that is down, slow or poisonous delays no other.
 */
export class Supervisor {
  readonly #ports: SupervisorPorts;
  #settings: LoadedSettings;
  readonly #reports = new Map<string, PeerReport>();
  readonly #running: RunningWork;
  /** Kept while the peer is in the settings, since what it has brought today counts also for changed settings. */
  readonly #allowances = new Map<string, Allowance>();

  constructor(ports: SupervisorPorts, settings: LoadedSettings) {
    this.#ports = ports;
    this.#settings = settings;
    this.#running = new RunningWork(() => this.#compare(), ports.onBug);
    ports.owners.onChange(() => this.#compare());
    this.#compare();
  }

  /**
   * Takes up new settings. Peers that were added, changed or removed take effect at once; the others are not disturbed. A
   * changed log level takes effect at once in every replay, and interrupts none.
   */
  apply(settings: LoadedSettings): void {
    this.#settings = settings;
    this.#running.setLogLevel(settings.logLevel);
    this.#compare();
  }

  peers(): PeerStatus[] {
    return [...this.#reports.values()].map((report) => report.status);
  }

  /** Stops every replay; what is being committed is finished and acknowledged first. */
  stop(): Promise<void> {
    return this.#running.stop();
  }

  /** Starts and stops replays until those that should run are those that do. */
  #compare(): void {
    if (this.#running.stopped) return;
    const wanted = new Map(this.#settings.peers.map((peer) => [peer.name, peer]));
    this.#running.endUnless((name, fingerprint) => {
      const peer = wanted.get(name);
      return peer !== undefined && this.#shouldRun(peer) && fingerprintOf(this.#settings, peer) === fingerprint;
    });
    for (const name of this.#reports.keys()) {
      if (!wanted.has(name)) this.#forget(name);
    }
    for (const peer of wanted.values()) this.#ensure(peer);
  }

  #shouldRun(peer: LoadedPeer): boolean {
    return !peer.paused && peer.problem === undefined && this.#ports.owners.held.has(ownersPartitionOf(peer));
  }

  #ensure(peer: LoadedPeer): void {
    const report = this.#report(peer);
    const owned = this.#ports.owners.held.has(ownersPartitionOf(peer));
    report.owned(owned);
    if (this.#running.has(peer.name)) {
      // One that was asked to end goes on with the settings before these until it has.
      if (this.#running.runsAs(peer.name, fingerprintOf(this.#settings, peer))) report.settings(peer.digest);
      // It was asked to end, but with a Kafka that does not answer that takes time, and the outcome of its last batch is unknown.
      if (!this.#ports.owners.joined) this.#reportNotJoined(report);
      return;
    }
    report.settings(peer.digest);
    if (peer.paused) report.state('Paused', 'paused in the settings');
    else if (peer.problem !== undefined) report.state('InvalidSettings', peer.problem);
    else if (!this.#ports.owners.joined) this.#reportNotJoined(report);
    else if (!owned) report.state('NotOwned', 'another sidecar of this node replays this peer');
    else this.#start(peer, report);
  }

  #reportNotJoined(report: PeerReport): void {
    const { problem } = this.#ports.owners;
    report.state(problem?.reason ?? 'KafkaUnavailable', problem?.message ?? NOT_JOINED);
  }

  #start(peer: LoadedPeer, report: PeerReport): void {
    const settings = this.#settings;
    const log = limitedChild(this.#ports.log, { peer: peer.name });
    report.state('Starting', 'taking the peer over');
    const replay: PeerReplay = {
      settings: peer,
      peer: peer.name,
      rules: {
        ownLfhId: settings.lfhId,
        peerLfhId: peer.lfhId,
        allowOrigins: peer.allowOrigins,
        isAllowedFormat: formatMatcher(peer.allowFormats),
        maxMessageBytes: settings.maxMessageBytes,
      },
      allowance: this.#allowance(peer),
      limits: { messages: settings.batchMaxMessages, bytes: settings.batchMaxBytes, ageMs: settings.batchMaxAgeMs },
      kafka: this.#ports.kafka,
      owners: this.#ports.owners,
      report,
      log,
      openStream: (server) => this.#ports.openStream(settings, peer, server, log),
    };
    const run = (signal: AbortSignal): Promise<void> => replayPeer(replay, signal);
    this.#running.start(peer.name, { fingerprint: fingerprintOf(settings, peer), log, run });
  }

  #report(peer: LoadedPeer): PeerReport {
    const known = this.#reports.get(peer.name);
    if (known?.status.lfhId === peer.lfhId) return known;
    const made = new PeerReport(peer, this.#ports.metrics.forPeer(peer.name));
    this.#reports.set(peer.name, made);
    return made;
  }

  #allowance({ name, limits }: LoadedPeer): Allowance {
    const allowance = this.#allowances.get(name) ?? new Allowance();
    this.#allowances.set(name, allowance);
    return allowance.apply(limits);
  }

  #forget(name: string): void {
    this.#allowances.delete(name);
    this.#reports.delete(name);
    this.#ports.metrics.removePeer(name);
  }
}

function ownersPartitionOf(peer: LoadedPeer): number {
  return ownersPartition(syncName(peer.lfhId));
}

/** Everything that a running replay of the peer was started with: when it changes, the replay has to be restarted. */
function fingerprintOf(settings: LoadedSettings, peer: LoadedPeer): string {
  const { lfhId, maxMessageBytes, batchMaxMessages, batchMaxBytes, batchMaxAgeMs, publicKeys } = settings;
  const { digest: _, ...replayed } = peer;
  return JSON.stringify([lfhId, maxMessageBytes, batchMaxMessages, batchMaxBytes, batchMaxAgeMs, publicKeys, replayed]);
}

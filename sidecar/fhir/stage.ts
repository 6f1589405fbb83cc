import type { LoadedFhirServer } from '../../common/contract/fhir-servers.ts';
import { fhirServerId, transmitOwnersPartition } from '../../common/contract/names.ts';
import type { TransmitStatus } from '../../common/contract/transmit-status.ts';
import { type Logger, limitedChild } from '../../common/log.ts';
import type { OwnersPort, TransmitPort } from '../ports.ts';
import { NOT_JOINED, RunningWork } from '../running-work.ts';
import type { LoadedSettings } from '../settings/settings.ts';
import type { TransmitMetrics } from './metrics.ts';
import { ServerReport } from './report.ts';
import { transmit } from './transmission.ts';

/** What the stage works with; sidecar/run.ts puts it together. */
export interface StagePorts {
  readonly kafka: TransmitPort;
  readonly owners: OwnersPort;
  readonly metrics: TransmitMetrics;
  readonly log: Logger;
  /** Ends the process, after a bug that is not in the transmission to one server. */
  readonly onBug: (error: unknown) => void;
}

/**
 * Keeps one transmission running for each FHIR server that is in the settings and whose partition this sidecar holds.
 *
 * It is a stage of its own, behind the replay: it reads what was replayed from Kafka, so that no server can delay the replay. Servers
 * share nothing but the process, so that one that is down or slow delays no other.
 */
export class TransmitStage {
  readonly #ports: StagePorts;
  #settings: LoadedSettings;
  readonly #reports = new Map<string, ServerReport>();
  readonly #running: RunningWork;

  constructor(ports: StagePorts, settings: LoadedSettings) {
    this.#ports = ports;
    this.#settings = settings;
    this.#running = new RunningWork(() => this.#compare(), ports.onBug);
    ports.owners.onChange(() => this.#compare());
    this.#compare();
  }

  /** Takes up new settings. Servers that were added, changed or removed take effect at once; the others are not disturbed. */
  apply(settings: LoadedSettings): void {
    this.#settings = settings;
    this.#running.setLogLevel(settings.logLevel);
    this.#compare();
  }

  servers(): TransmitStatus[] {
    return [...this.#reports.values()].map((report) => report.status);
  }

  /** Ends every transmission; what is under way is finished and committed first, within seconds. */
  stop(): Promise<void> {
    return this.#running.stop();
  }

  /** Starts and stops transmissions until those that should run are those that do. */
  #compare(): void {
    if (this.#running.stopped) return;
    const wanted = new Map(this.#settings.fhirServers.map((server) => [server.url, server]));
    this.#running.endUnless((url, fingerprint) => {
      const server = wanted.get(url);
      return server !== undefined && this.#shouldRun(server) && fingerprintOf(this.#settings, server) === fingerprint;
    });
    for (const url of this.#reports.keys()) {
      if (wanted.has(url)) continue;
      this.#reports.delete(url);
      this.#ports.metrics.removeServer(url);
    }
    for (const server of wanted.values()) this.#ensure(server);
  }

  #isOwned({ url }: LoadedFhirServer): boolean {
    return this.#ports.owners.held.has(transmitOwnersPartition(fhirServerId(url)));
  }

  #shouldRun(server: LoadedFhirServer): boolean {
    return server.problem === undefined && this.#isOwned(server);
  }

  #ensure(server: LoadedFhirServer): void {
    const { owners, metrics } = this.#ports;
    const report = this.#reports.get(server.url) ?? new ServerReport(server.url, metrics.forServer(server.url));
    this.#reports.set(server.url, report);
    const owned = this.#isOwned(server);
    report.owned(owned);
    if (this.#running.has(server.url)) return;
    if (server.problem !== undefined) report.state('InvalidSettings', server.problem);
    else if (!owners.joined) report.state('KafkaUnavailable', owners.problem?.message ?? NOT_JOINED);
    else if (!owned) report.state('NotOwned', 'another sidecar of this node transmits to this server');
    else this.#start(server, report);
  }

  #start(server: LoadedFhirServer, report: ServerReport): void {
    const { kafka, owners } = this.#ports;
    const log = limitedChild(this.#ports.log, { fhirServer: server.url });
    report.state('Starting', 'taking the transmission over');
    const transmission = { server, ownLfhId: this.#settings.lfhId, kafka, owners, report, log };
    const run = (signal: AbortSignal): Promise<void> => transmit(transmission, signal);
    this.#running.start(server.url, { fingerprint: fingerprintOf(this.#settings, server), log, run });
  }
}

/** Everything that a running transmission was started with. */
function fingerprintOf({ lfhId }: LoadedSettings, server: LoadedFhirServer): string {
  return JSON.stringify([lfhId, server]);
}

import type { AnnounceStatus } from '../../common/contract/announce-status.ts';
import { announceOwnersPartition } from '../../common/contract/names.ts';
import type { Logger } from '../../common/log.ts';
import type { AnnounceLogPort, AnnouncePort, OwnersPort } from '../ports.ts';
import { NOT_JOINED, RunningWork } from '../running-work.ts';
import { announceReplayed } from './announcing.ts';
import type { AnnounceMetrics } from './metrics.ts';
import { AnnounceReport } from './report.ts';

/** What the stage works with; sidecar/run.ts puts it together. */
export interface AnnounceStagePorts {
  readonly kafka: AnnounceLogPort;
  readonly owners: OwnersPort;
  readonly nats: AnnouncePort;
  readonly metrics: AnnounceMetrics;
  readonly log: Logger;
  /** Ends the process, after a bug in the stage itself. */
  readonly onBug: (error: unknown) => void;
}

/** There is only one thing to run. */
const KEY = 'announcements';

/**
 * Announces what was replayed on the local `EVENTS.app_sync`, while this sidecar holds the partition of the announcements.
 *
 * It is a stage of its own, behind the replay: it reads what was replayed from Kafka, so that a local NATS that is down neither
 * delays the replay nor costs an announcement.
 */
export class AnnounceStage {
  readonly #ports: AnnounceStagePorts;
  readonly #report: AnnounceReport;
  readonly #since = Date.now();
  readonly #running: RunningWork;

  constructor(ports: AnnounceStagePorts) {
    this.#ports = ports;
    this.#report = new AnnounceReport(ports.metrics);
    this.#running = new RunningWork(() => this.#compare(), ports.onBug);
    ports.owners.onChange(() => this.#compare());
    this.#compare();
  }

  get status(): AnnounceStatus {
    return this.#report.status;
  }

  /** What is under way is finished and committed first, within seconds. */
  stop(): Promise<void> {
    return this.#running.stop();
  }

  #compare(): void {
    if (this.#running.stopped) return;
    const { owners } = this.#ports;
    const owned = owners.held.has(announceOwnersPartition());
    this.#report.owned(owned);
    this.#running.endUnless(() => owned);
    if (this.#running.has(KEY)) return;
    if (!owners.joined) this.#report.state('KafkaUnavailable', owners.problem?.message ?? NOT_JOINED);
    else if (!owned) this.#report.state('NotOwned', 'another sidecar of this node announces');
    else this.#start();
  }

  #start(): void {
    const { log } = this.#ports;
    const announcing = { ...this.#ports, report: this.#report, since: this.#since };
    this.#report.state('Starting', 'taking the announcements over');
    this.#running.start(KEY, { fingerprint: '', log, run: (signal) => announceReplayed(announcing, signal) });
  }
}

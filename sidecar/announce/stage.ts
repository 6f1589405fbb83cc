import type { AnnounceStatus } from '../../common/contract/announce-status.ts';
import { announceOwnersPartition } from '../../common/contract/names.ts';
import type { Logger } from '../../common/log.ts';
import type { AnnounceLogPort, AnnouncePort, OwnersPort } from '../ports.ts';
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

interface Running {
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

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
  #running: Running | undefined;
  #stopped = false;

  constructor(ports: AnnounceStagePorts) {
    this.#ports = ports;
    this.#report = new AnnounceReport(ports.metrics);
    ports.owners.onChange(() => this.#compare());
    this.#compare();
  }

  get status(): AnnounceStatus {
    return this.#report.status;
  }

  /** What is under way is finished and committed first, within seconds. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#running?.stop.abort();
    await this.#running?.done;
  }

  #compare(): void {
    if (this.#stopped) return;
    const { owners } = this.#ports;
    const owned = owners.held.has(announceOwnersPartition());
    this.#report.owned(owned);
    if (this.#running) {
      if (!owned) this.#running.stop.abort();
    } else if (!owners.joined) this.#report.state('KafkaUnavailable', owners.problem?.message ?? NOT_JOINED);
    else if (!owned) this.#report.state('NotOwned', 'another sidecar of this node announces');
    else this.#start();
  }

  #start(): void {
    const { onBug, ...parts } = this.#ports;
    const stop = new AbortController();
    this.#report.state('Starting', 'taking the announcements over');
    const done = announceReplayed({ ...parts, report: this.#report, since: this.#since }, stop.signal)
      .finally(() => {
        this.#running = undefined;
        this.#compare();
      })
      .catch(onBug);
    this.#running = { stop, done };
  }
}

const NOT_JOINED =
  "not a member of the consumer group of this node's sidecars: waiting for Kafka; this sidecar's log says why";

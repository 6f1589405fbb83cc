import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { METRICS } from '../../common/contract/metric-names.ts';
import { REJECT_REASONS, type RejectReason, SKIP_REASONS, type SkipReason } from '../../common/contract/reasons.ts';

/** The metrics of one peer. */
export interface PeerMetrics {
  connected(yes: boolean): void;
  /** Another sidecar replays the peer now, and reports its position and lag. */
  released(): void;
  position(sequence: number): void;
  /** @param messages null when it is not known: the series is removed */
  lag(messages: number | null): void;
  /** @param at in milliseconds since 1970; undefined when it is not known: the series is removed */
  certificateExpires(at: number | undefined): void;
  replayed(count: number): void;
  skipped(reason: SkipReason, count: number): void;
  rejected(reason: RejectReason, count: number): void;
  batch(messages: number): void;
  commit(seconds: number): void;
  latency(seconds: number): void;
  takenOver(): void;
  chainBroken(): void;
  streamRecreated(): void;
  internalError(): void;
}

export interface Metrics {
  forPeer(name: string): PeerMetrics;
  /** Removes the peer's series, so that no alert goes on for a peer that was removed. */
  removePeer(name: string): void;
  /** Everything, in Prometheus' text format. */
  text(): Promise<string>;
}

/**
 * The sidecar's metrics, in a registry of their own, with the default metrics of a Node process.
 *
 * @param version of the program
 */
export function createMetrics(version: string): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const gauge = ({ name, help }: { name: string; help: string }) =>
    new Gauge({ name, help, labelNames: ['peer'], registers: [registry] });
  const counter = ({ name, help }: { name: string; help: string }, ...labels: string[]) =>
    new Counter({ name, help, labelNames: ['peer', ...labels], registers: [registry] });
  const histogram = ({ name, help, buckets }: { name: string; help: string; buckets: readonly number[] }) =>
    new Histogram({ name, help, buckets: [...buckets], labelNames: ['peer'], registers: [registry] });

  const all = {
    connected: gauge(METRICS.connected),
    position: gauge(METRICS.position),
    lag: gauge(METRICS.lag),
    certificateExpiry: gauge(METRICS.certificateExpiry),
    replayed: counter(METRICS.replayed),
    skipped: counter(METRICS.skipped, 'reason'),
    rejected: counter(METRICS.rejected, 'reason'),
    batch: histogram(METRICS.batch),
    commit: histogram(METRICS.commit),
    latency: histogram(METRICS.latency),
    takeOvers: counter(METRICS.takeOvers),
    chainBreaks: counter(METRICS.chainBreaks),
    streamRecreated: counter(METRICS.streamRecreated),
    internalErrors: counter(METRICS.internalErrors),
  };
  const ofProcess = ({ name, help }: { name: string; help: string }) => ({ name, help, registers: [registry] });
  const { labels } = METRICS.buildInfo;
  new Gauge({ ...ofProcess(METRICS.buildInfo), labelNames: labels }).set({ version }, 1);

  return {
    forPeer: (peer) => {
      // They begin with 0, because an alert on an increase would not see a counter that begins with 1.
      const { takeOvers, chainBreaks, streamRecreated, internalErrors } = all;
      for (const counter of [takeOvers, chainBreaks, streamRecreated, internalErrors]) counter.inc({ peer }, 0);
      for (const reason of Object.keys(REJECT_REASONS)) all.rejected.inc({ peer, reason }, 0);
      return {
        connected: (yes) => all.connected.set({ peer }, yes ? 1 : 0),
        released: () => {
          all.position.remove({ peer });
          all.lag.remove({ peer });
          all.certificateExpiry.remove({ peer });
        },
        position: (sequence) => all.position.set({ peer }, sequence),
        lag: (messages) => (messages === null ? all.lag.remove({ peer }) : all.lag.set({ peer }, messages)),
        certificateExpires: (at) =>
          at === undefined ? all.certificateExpiry.remove({ peer }) : all.certificateExpiry.set({ peer }, at / 1000),
        replayed: (count) => all.replayed.inc({ peer }, count),
        skipped: (reason, count) => all.skipped.inc({ peer, reason }, count),
        rejected: (reason, count) => all.rejected.inc({ peer, reason }, count),
        batch: (messages) => all.batch.observe({ peer }, messages),
        commit: (seconds) => all.commit.observe({ peer }, seconds),
        latency: (seconds) => all.latency.observe({ peer }, seconds),
        takenOver: () => takeOvers.inc({ peer }),
        chainBroken: () => chainBreaks.inc({ peer }),
        streamRecreated: () => streamRecreated.inc({ peer }),
        internalError: () => internalErrors.inc({ peer }),
      };
    },
    removePeer: (peer) => {
      const { skipped, rejected, ...others } = all;
      for (const metric of Object.values(others)) metric.remove({ peer });
      for (const reason of Object.keys(SKIP_REASONS)) skipped.remove({ peer, reason });
      for (const reason of Object.keys(REJECT_REASONS)) rejected.remove({ peer, reason });
    },
    text: () => registry.metrics(),
  };
}

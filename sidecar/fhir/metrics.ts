import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { TRANSMIT_METRICS } from '../../common/contract/transmit-metric-names.ts';
import {
  TRANSMIT_FAILURE_REASONS,
  TRANSMIT_SKIP_REASONS,
  type TransmitFailureReason,
  type TransmitSkipReason,
} from '../../common/contract/transmit-reasons.ts';

/** The metrics of the transmission to one server. */
export interface ServerMetrics {
  /** @param up undefined where another sidecar transmits: the series is removed, with the lag and what waits */
  up(up: boolean | undefined): void;
  lag(records: number): void;
  /** @param oldest milliseconds since 1970; undefined where none waits */
  pending(count: number, oldest: number | undefined): void;
  delivered(count: number): void;
  failed(count: number): void;
  skipped(reason: TransmitSkipReason, count: number): void;
  undelivered(reason: TransmitFailureReason): void;
  expired(count: number): void;
  internalError(): void;
  request(seconds: number): void;
}

export interface TransmitMetrics {
  /** @param server its URL, without user and password */
  forServer(server: string): ServerMetrics;
  /** Removes the server's series, so that no alert goes on for a server that was removed. */
  removeServer(server: string): void;
  /** Everything, in Prometheus' text format. */
  text(): Promise<string>;
}

/** The metrics of the transmission, in a registry of their own. */
export function createTransmitMetrics(): TransmitMetrics {
  const registers = [new Registry()];
  type Named = { readonly name: string; readonly help: string };
  const gauge = ({ name, help }: Named) => new Gauge({ name, help, labelNames: ['server'], registers });
  const counter = ({ name, help }: Named, ...labels: string[]) =>
    new Counter({ name, help, labelNames: ['server', ...labels], registers });
  const { name, help, buckets } = TRANSMIT_METRICS.request;
  const all = {
    up: gauge(TRANSMIT_METRICS.up),
    lag: gauge(TRANSMIT_METRICS.lag),
    pending: gauge(TRANSMIT_METRICS.pending),
    oldestPending: gauge(TRANSMIT_METRICS.oldestPending),
    delivered: counter(TRANSMIT_METRICS.delivered),
    failed: counter(TRANSMIT_METRICS.failed),
    skipped: counter(TRANSMIT_METRICS.skipped, 'reason'),
    undelivered: counter(TRANSMIT_METRICS.undelivered, 'reason'),
    expired: counter(TRANSMIT_METRICS.expired),
    internalErrors: counter(TRANSMIT_METRICS.internalErrors),
    request: new Histogram({ name, help, buckets: [...buckets], labelNames: ['server'], registers }),
  };
  return {
    forServer: (server) => {
      // They begin with 0, because an alert on an increase would not see a counter that begins with 1.
      for (const each of [all.delivered, all.failed, all.expired, all.internalErrors]) each.inc({ server }, 0);
      for (const reason of Object.keys(TRANSMIT_FAILURE_REASONS)) all.undelivered.inc({ server, reason }, 0);
      return {
        up: (up) => {
          if (up === undefined) {
            for (const each of [all.up, all.lag, all.pending, all.oldestPending]) each.remove({ server });
          } else all.up.set({ server }, up ? 1 : 0);
        },
        lag: (records) => all.lag.set({ server }, records),
        pending: (count, oldest) => {
          all.pending.set({ server }, count);
          if (oldest === undefined) all.oldestPending.remove({ server });
          else all.oldestPending.set({ server }, oldest / 1000);
        },
        delivered: (count) => all.delivered.inc({ server }, count),
        failed: (count) => all.failed.inc({ server }, count),
        skipped: (reason, count) => all.skipped.inc({ server, reason }, count),
        undelivered: (reason) => all.undelivered.inc({ server, reason }),
        expired: (count) => all.expired.inc({ server }, count),
        internalError: () => all.internalErrors.inc({ server }),
        request: (seconds) => all.request.observe({ server }, seconds),
      };
    },
    removeServer: (server) => {
      const { skipped, undelivered, ...others } = all;
      for (const each of Object.values(others)) each.remove({ server });
      for (const reason of Object.keys(TRANSMIT_SKIP_REASONS)) skipped.remove({ server, reason });
      for (const reason of Object.keys(TRANSMIT_FAILURE_REASONS)) undelivered.remove({ server, reason });
    },
    text: async () => (await Promise.all(registers.map((registry) => registry.metrics()))).join(''),
  };
}

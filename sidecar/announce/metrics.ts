import { Counter, Gauge, Registry } from 'prom-client';
import { ANNOUNCE_METRICS } from '../../common/contract/announce-metric-names.ts';
import { ANNOUNCE_LOSSES, type AnnounceLoss } from '../../common/contract/announce-status.ts';

/** The metrics of the announcements. */
export interface AnnounceMetrics {
  /** @param up undefined where another sidecar announces: the series is removed */
  up(up: boolean | undefined): void;
  /** @param records null while not known: the series is removed */
  lag(records: number | null): void;
  announced(count: number): void;
  lost(reason: AnnounceLoss, count: number): void;
  /** Everything, in Prometheus' text format. */
  text(): Promise<string>;
}

/** The metrics of the announcements, in a registry of their own. */
export function createAnnounceMetrics(): AnnounceMetrics {
  const registry = new Registry();
  const registers = [registry];
  type Named = { readonly name: string; readonly help: string };
  // Only with a label can a series be removed.
  const gauge = ({ name, help }: Named) => new Gauge({ name, help, registers, labelNames: ['none'] });
  const counter = ({ name, help }: Named, ...labelNames: string[]) =>
    new Counter({ name, help, registers, labelNames });
  const up = gauge(ANNOUNCE_METRICS.up);
  const lag = gauge(ANNOUNCE_METRICS.lag);
  const announced = counter(ANNOUNCE_METRICS.announced);
  const lost = counter(ANNOUNCE_METRICS.lost, 'reason');
  // They begin with 0, because an alert on an increase would not see a counter that begins with 1.
  for (const reason of Object.keys(ANNOUNCE_LOSSES)) lost.inc({ reason }, 0);
  return {
    up: (is) => (is === undefined ? up.remove({}) : up.set({}, is ? 1 : 0)),
    lag: (records) => (records === null ? lag.remove({}) : lag.set({}, records)),
    announced: (count) => announced.inc(count),
    lost: (reason, count) => lost.inc({ reason }, count),
    text: () => registry.metrics(),
  };
}

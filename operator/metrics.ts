import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Every metric of the operator, with its name and meaning. docs/metrics.md is generated from this table. */
export const OPERATOR_METRICS = {
  leading: {
    name: 'lfh_sync_operator_leading',
    type: 'gauge',
    help: '1 while this operator is the one that works, else 0.',
  },
  queued: {
    name: 'lfh_sync_operator_queue',
    type: 'gauge',
    help: 'Nodes that wait to be reconciled, or are being reconciled.',
  },
  reconciles: {
    name: 'lfh_sync_operator_reconcile_duration_seconds',
    type: 'histogram',
    help: 'How long the reconciles of a node took, in seconds.',
  },
  failures: {
    name: 'lfh_sync_operator_reconcile_failures_total',
    type: 'counter',
    help: 'Reconciles of a node that failed and are tried again.',
  },
} as const;

/** The metrics of the operator itself. The sidecars have those of peers. */
export interface OperatorMetrics {
  readonly leading: (yes: boolean) => void;
  readonly queued: (keys: number) => void;
  readonly reconciled: (seconds: number, outcome: 'ok' | 'failed') => void;
  /** All metrics in Prometheus' text format. */
  readonly text: () => Promise<string>;
}

/** Creates the metrics in a registry of their own, together with those of the process. */
export function createMetrics(): OperatorMetrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const of = ({ name, help }: { readonly name: string; readonly help: string }) => ({ name, help, registers });
  const leading = new Gauge(of(OPERATOR_METRICS.leading));
  const queued = new Gauge(of(OPERATOR_METRICS.queued));
  const reconciles = new Histogram({
    ...of(OPERATOR_METRICS.reconciles),
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  });
  const failures = new Counter(of(OPERATOR_METRICS.failures));
  return {
    leading: (yes) => leading.set(yes ? 1 : 0),
    queued: (keys) => queued.set(keys),
    reconciled: (seconds, outcome) => {
      reconciles.observe(seconds);
      if (outcome === 'failed') failures.inc();
    },
    text: () => registry.metrics(),
  };
}

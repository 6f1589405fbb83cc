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
  condition: {
    name: 'lfh_sync_condition',
    type: 'gauge',
    help: '1 for each condition of each LfhSyncNode and LfhSyncPeer, with its status and its reason as labels.',
    labels: ['kind', 'namespace', 'name', 'type', 'status', 'reason'],
  },
  sendLag: {
    name: 'lfh_sync_send_lag',
    type: 'gauge',
    help: 'Messages that we have for the peer and that it was not handed yet.',
    labels: ['namespace', 'name'],
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

/** As much of a node or a peer as its metrics need. */
export interface Reported {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly reason: string }[];
    readonly send?: { readonly pending?: number };
  };
}

/**
 * Creates the metrics in a registry of their own, together with those of the process.
 *
 * @param reported every node and peer that is watched, asked for at each scrape; none while this operator only waits, so that no
 *   condition is there twice
 */
export function createMetrics(reported: () => readonly Reported[] = () => []): OperatorMetrics {
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
  new Gauge({
    ...of(OPERATOR_METRICS.condition),
    labelNames: OPERATOR_METRICS.condition.labels,
    collect() {
      this.reset();
      for (const { kind, metadata, status } of reported()) {
        const { name, namespace = '' } = metadata;
        for (const { type, status: value, reason } of status?.conditions ?? []) {
          this.set({ kind, namespace, name, type, status: value, reason }, 1);
        }
      }
    },
  });
  new Gauge({
    ...of(OPERATOR_METRICS.sendLag),
    labelNames: OPERATOR_METRICS.sendLag.labels,
    collect() {
      this.reset();
      for (const { metadata, status } of reported()) {
        const { name, namespace = '' } = metadata;
        if (status?.send?.pending !== undefined) this.set({ namespace, name }, status.send.pending);
      }
    },
  });
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

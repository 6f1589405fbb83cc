import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** The operator's own metrics. Those of peers are the sidecars'. */
export interface OperatorMetrics {
  readonly leading: (yes: boolean) => void;
  readonly queued: (keys: number) => void;
  readonly turn: (seconds: number, outcome: 'ok' | 'failed') => void;
  /** Everything, in Prometheus' text format. */
  readonly text: () => Promise<string>;
}

/** Metrics in a registry of their own, with those of the process. */
export function createMetrics(): OperatorMetrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const leading = new Gauge({
    name: 'lfh_sync_operator_leading',
    help: '1 while this operator is the one that works, else 0.',
    registers,
  });
  const queued = new Gauge({
    name: 'lfh_sync_operator_queue',
    help: 'Nodes that wait for a turn or have one.',
    registers,
  });
  const turns = new Histogram({
    name: 'lfh_sync_operator_turn_seconds',
    help: 'How long turns over a node took.',
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers,
  });
  const failures = new Counter({
    name: 'lfh_sync_operator_turn_failures_total',
    help: 'Turns over a node that failed and are tried again.',
    registers,
  });
  return {
    leading: (yes) => leading.set(yes ? 1 : 0),
    queued: (keys) => queued.set(keys),
    turn: (seconds, outcome) => {
      turns.observe(seconds);
      if (outcome === 'failed') failures.inc();
    },
    text: () => registry.metrics(),
  };
}

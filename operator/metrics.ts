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
  lastPull: {
    name: 'lfh_sync_last_pull_timestamp_seconds',
    type: 'gauge',
    help: 'When the peer was last seen to ask for messages, in seconds since 1970, to within 5 minutes.',
    labels: ['namespace', 'name'],
  },
  behindSince: {
    name: 'lfh_sync_send_behind_since_timestamp_seconds',
    type: 'gauge',
    help: 'The peer has fetched everything that came before this, in seconds since 1970. There is none while it has everything.',
    labels: ['namespace', 'name'],
  },
  sendExpiry: {
    name: 'lfh_sync_send_expiry_timestamp_seconds',
    type: 'gauge',
    help: 'When our stream may begin to drop messages that the peer has not fetched, by its max_age, in seconds since 1970.',
    labels: ['namespace', 'name'],
  },
  certificateExpiry: {
    name: 'lfh_sync_certificate_expiry_timestamp_seconds',
    type: 'gauge',
    help: 'When a certificate expires, in seconds since 1970: of a node its nats, natsCa or kafkaCa, of a peer its server or serverCa, as in status.certificateExpiry.',
    labels: ['kind', 'namespace', 'name', 'certificate'],
  },
  rotation: {
    name: 'lfh_sync_key_rotation_since_timestamp_seconds',
    type: 'gauge',
    help: "When the node's key was replaced, in seconds since 1970, for as long as the previous one is in force as well.",
    labels: ['namespace', 'name'],
  },
  buildInfo: {
    name: 'lfh_sync_build_info',
    type: 'gauge',
    help: '1, with the version of the program as its label.',
    labels: ['version'],
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
    readonly send?: {
      readonly pending?: number;
      readonly lastPullTime?: string;
      readonly behindSince?: string;
      readonly expiresAt?: string;
    };
    readonly certificateExpiry?: Readonly<Record<string, string>>;
    readonly publicKeys?: readonly string[];
    readonly rotatedAt?: string;
  };
}

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [value: number, labels: Labels];

/**
 * What is read from the status of each node and peer, with the labels besides its namespace and its name. What the status does not
 * have, nobody knows: there is no sample then, and never a 0.
 */
const FROM_STATUS = {
  condition: ({ kind, status }: Reported) =>
    (status?.conditions ?? []).map(({ type, status: value, reason }) => [1, { kind, type, status: value, reason }]),
  sendLag: ({ status }: Reported) => samples(status?.send?.pending),
  lastPull: ({ status }: Reported) => samples(seconds(status?.send?.lastPullTime)),
  behindSince: ({ status }: Reported) => samples(seconds(status?.send?.behindSince)),
  sendExpiry: ({ status }: Reported) => samples(seconds(status?.send?.expiresAt)),
  certificateExpiry: ({ kind, status }: Reported) =>
    Object.entries(status?.certificateExpiry ?? {}).flatMap(([certificate, time]) =>
      samples(seconds(time), { kind, certificate }),
    ),
  rotation: ({ status }: Reported) =>
    (status?.publicKeys ?? []).length > 1 ? samples(seconds(status?.rotatedAt)) : [],
} as const satisfies Partial<Record<keyof typeof OPERATOR_METRICS, (object: Reported) => readonly Sample[]>>;

function samples(value: number | undefined, labels: Labels = {}): Sample[] {
  return value === undefined ? [] : [[value, labels]];
}

/** undefined where there is no time, or it cannot be read. */
function seconds(time: string | undefined): number | undefined {
  const milliseconds = Date.parse(time ?? '');
  return Number.isNaN(milliseconds) ? undefined : milliseconds / 1000;
}

/**
 * Creates the metrics in a registry of their own, together with those of the process.
 *
 * @param version of the program
 * @param reported every node and peer that is watched, asked for at each scrape; none while this operator only waits, so that no
 *   condition is there twice
 */
export function createMetrics(version: string, reported: () => readonly Reported[] = () => []): OperatorMetrics {
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
  for (const [metric, samplesOf] of Object.entries(FROM_STATUS)) {
    const definition = OPERATOR_METRICS[metric as keyof typeof FROM_STATUS];
    new Gauge({
      ...of(definition),
      labelNames: [...definition.labels],
      collect() {
        this.reset();
        for (const object of reported()) {
          const { name, namespace = '' } = object.metadata;
          for (const [value, labels] of samplesOf(object)) this.set({ namespace, name, ...labels }, value);
        }
      },
    });
  }
  const { labels } = OPERATOR_METRICS.buildInfo;
  new Gauge({ ...of(OPERATOR_METRICS.buildInfo), labelNames: labels }).set({ version }, 1);
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

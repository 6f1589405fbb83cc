/** Every metric of the sidecar: its name, what it counts, and its labels besides `peer`. docs/metrics.md is made from this. */
export const METRICS = {
  connected: {
    name: 'lfh_sync_peer_connected',
    type: 'gauge',
    help: '1 while the peer is being replayed by this sidecar, else 0.',
  },
  position: { name: 'lfh_sync_position', type: 'gauge', help: 'Last stream sequence of the peer that is in Kafka.' },
  lag: {
    name: 'lfh_sync_lag',
    type: 'gauge',
    help: 'Messages that the peer has for us and that are not replayed yet.',
  },
  certificateExpiry: {
    name: 'lfh_sync_peer_certificate_expiry_timestamp_seconds',
    type: 'gauge',
    help: "When the certificate of the peer's server, or one above it, expires first, in seconds since 1970. Only the sidecar that replays the peer knows it.",
  },
  replayed: { name: 'lfh_sync_replayed_total', type: 'counter', help: 'Messages written to Kafka.' },
  skipped: {
    name: 'lfh_sync_skipped_total',
    type: 'counter',
    help: 'Messages not written because there was no need.',
    labels: ['reason'],
  },
  rejected: {
    name: 'lfh_sync_rejected_total',
    type: 'counter',
    help: 'Messages written to LFH_EXCEPTION instead.',
    labels: ['reason'],
  },
  batch: {
    name: 'lfh_sync_batch_messages',
    type: 'histogram',
    help: 'Messages per transaction.',
    buckets: [1, 10, 100, 500, 1000, 2000, 5000, 10000],
  },
  commit: {
    name: 'lfh_sync_commit_seconds',
    type: 'histogram',
    help: 'From sending a batch to its commit.',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
  },
  latency: {
    name: 'lfh_sync_replication_latency_seconds',
    type: 'histogram',
    help: "From the origin's stream to the commit here, by both clocks.",
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 30, 300, 3600, 86400],
  },
  takeOvers: { name: 'lfh_sync_take_overs_total', type: 'counter', help: 'How often this sidecar took the peer over.' },
  chainBreaks: {
    name: 'lfh_sync_chain_breaks_total',
    type: 'counter',
    help: 'How often a delivery did not follow the one before: another process was handed messages.',
  },
  streamRecreated: {
    name: 'lfh_sync_stream_recreated_total',
    type: 'counter',
    help: "How often the peer's stream turned out to be a new one.",
  },
  internalErrors: {
    name: 'lfh_sync_internal_errors_total',
    type: 'counter',
    help: 'How often an error that nobody foresaw stopped the replay of the peer.',
  },
  buildInfo: {
    name: 'lfh_sync_build_info',
    type: 'gauge',
    help: '1, with the version of the program as its label. Has no label peer.',
    labels: ['version'],
  },
} as const;

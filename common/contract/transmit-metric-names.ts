/** Every metric of the transmission to FHIR servers, each with the label `server`, its URL. docs/metrics.md is made from this. */
export const TRANSMIT_METRICS = {
  up: {
    name: 'lfh_sync_transmit_up',
    type: 'gauge',
    help: '1 while this sidecar transmits to the server and the server answers, 0 while it fails; absent in the other sidecars.',
  },
  lag: {
    name: 'lfh_sync_transmit_lag',
    type: 'gauge',
    help: "What LFH_SYNC has that was not looked at yet, Kafka's own markers included.",
  },
  pending: {
    name: 'lfh_sync_transmit_pending',
    type: 'gauge',
    help: 'Resources that wait in RETRANSMIT for another attempt.',
  },
  oldestPending: {
    name: 'lfh_sync_transmit_oldest_pending_timestamp_seconds',
    type: 'gauge',
    help: 'When the resource that waits longest was replayed; absent where none waits.',
  },
  delivered: { name: 'lfh_sync_transmit_delivered_total', type: 'counter', help: 'Resources that the server took.' },
  failed: { name: 'lfh_sync_transmit_failed_attempts_total', type: 'counter', help: 'Attempts that failed.' },
  skipped: {
    name: 'lfh_sync_transmit_skipped_total',
    type: 'counter',
    help: 'Records of LFH_SYNC that are not for a FHIR server.',
    labels: ['reason'],
  },
  undelivered: {
    name: 'lfh_sync_transmit_undelivered_total',
    type: 'counter',
    help: 'Resources that were refused or given up, and are in LFH_EXCEPTION.',
    labels: ['reason'],
  },
  expired: {
    name: 'lfh_sync_transmit_expired_total',
    type: 'counter',
    help: 'Records that LFH_SYNC did not have any more when it was their turn.',
  },
  internalErrors: {
    name: 'lfh_sync_transmit_internal_errors_total',
    type: 'counter',
    help: 'How often an error that nobody foresaw stopped the transmission to the server.',
  },
  request: {
    name: 'lfh_sync_transmit_request_seconds',
    type: 'histogram',
    help: 'How long requests to the server took, whatever came of them.',
    buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  },
} as const;

/** Every metric of the announcements. They are absent where LFH_SYNC_ANNOUNCE is false. docs/metrics.md is made from this. */
export const ANNOUNCE_METRICS = {
  up: {
    name: 'lfh_sync_announce_up',
    type: 'gauge',
    help: '1 while this sidecar announces what was replayed, 0 while that fails; absent in the other sidecars.',
  },
  lag: {
    name: 'lfh_sync_announce_lag',
    type: 'gauge',
    help: "What LFH_SYNC has that is not announced yet, Kafka's own markers included; absent in the other sidecars.",
  },
  announced: {
    name: 'lfh_sync_announced_total',
    type: 'counter',
    help: "Replayed messages that the stream of this node's NATS has stored on EVENTS.app_sync.",
  },
  lost: {
    name: 'lfh_sync_announcements_lost_total',
    type: 'counter',
    help: 'Replayed messages that are never announced. They are in Kafka.',
    labels: ['reason'],
  },
} as const;

import { SYNC_SUBJECT, syncName } from '../../common/contract/names.ts';

/** What a durable allows a peer to ask for at once; pulls beyond it are refused by the server. */
export const DURABLE_CAPS = { maxBatch: 5_000, maxExpiresMs: 5_000 } as const;

const NANOS_PER_MS = 1_000_000;

/** As the JetStream API wants it; durations in nanoseconds. */
export interface DurableConfig {
  readonly durable_name: string;
  readonly description: string;
  readonly deliver_policy: 'all';
  readonly ack_policy: 'all';
  readonly ack_wait: number;
  readonly max_ack_pending: number;
  readonly max_batch: number;
  readonly max_expires: number;
  readonly max_waiting: number;
  readonly filter_subject: string;
}

/**
 * The durable that the owner of a stream makes for a peer that may receive from it.
 *
 * DeliverAll, because a reset refuses anything else; where the peer starts is the peer's to decide. AckAll, because a peer
 * acknowledges batches. `max_ack_pending` leaves room for two of its largest batches: less would stall its pipeline.
 */
export function durableConfig(peerLfhId: string, ackWaitMs = 30_000): DurableConfig {
  return {
    durable_name: syncName(peerLfhId),
    description: `lfh-sync: what is sent to ${JSON.stringify(peerLfhId)}`,
    deliver_policy: 'all',
    ack_policy: 'all',
    ack_wait: ackWaitMs * NANOS_PER_MS,
    max_ack_pending: 20_000,
    max_batch: DURABLE_CAPS.maxBatch,
    max_expires: DURABLE_CAPS.maxExpiresMs * NANOS_PER_MS,
    max_waiting: 16,
    filter_subject: SYNC_SUBJECT,
  };
}

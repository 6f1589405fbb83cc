import { STREAM, SYNC_SUBJECT } from '../../../common/contract/names.ts';

const NANOS_PER_S = 1_000_000_000;

/** connect's own stream, as connect makes it (docs/upstream.md); made here, since there is no connect. */
export const EVENTS_STREAM = {
  name: STREAM,
  subjects: ['EVENTS.*'],
  retention: 'limits',
  storage: 'file',
  max_age: 365 * 24 * 60 * 60 * NANOS_PER_S,
  duplicate_window: 30 * NANOS_PER_S,
} as const;

/** connect's own durable on it. */
export const CONNECTS_OWN = {
  durable_name: 'SYNC',
  deliver_subject: 'sync.EVENTS',
  deliver_policy: 'all',
  ack_policy: 'explicit',
  ack_wait: 30 * NANOS_PER_S,
  filter_subject: SYNC_SUBJECT,
} as const;

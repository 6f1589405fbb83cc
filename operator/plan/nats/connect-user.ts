import { ackSubjects } from '../../../common/contract/durable.ts';
import { STREAM } from '../../../common/contract/names.ts';

/** What connect itself may do at its own NATS, where `spec.nats.connect` names its key. */
export interface ConnectPermissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** connect's own durables: three that it makes when it starts, and that of applications. */
const DURABLES = ['SYNC', 'TIMING', 'RETRANSMIT', 'APP_SYNC'];
/** The last part of each subject that it publishes on. Its durables are delivered on `<part>.EVENTS`. */
const PARTS = ['sync', 'timing', 'retransmit', 'app_sync'];

/**
 * Just what connect 0.42 does, as it was traced (docs/upstream.md, "What it asks of its own NATS"), with acknowledgements in both forms that a
 * server may choose. It can neither purge nor delete the stream, nor touch the durables of peers, nor answer as a sidecar.
 *
 * The names of its inboxes are random and have one part, `_INBOX.<random>.<number>`. Those of the sidecars have more parts, so
 * connect cannot read what sidecars are answered.
 */
export function connectPermissions(): ConnectPermissions {
  return {
    publish: [
      `$JS.API.STREAM.CREATE.${STREAM}`,
      ...DURABLES.map((durable) => `$JS.API.CONSUMER.DURABLE.CREATE.${STREAM}.${durable}`),
      ...DURABLES.map((durable) => `$JS.API.CONSUMER.INFO.${STREAM}.${durable}`),
      ...PARTS.map((part) => `${STREAM}.${part}`),
      ...DURABLES.flatMap((durable) => ackSubjects(STREAM, durable)),
    ],
    subscribe: ['_INBOX.*.*', ...PARTS.map((part) => `${part}.${STREAM}`)],
  };
}

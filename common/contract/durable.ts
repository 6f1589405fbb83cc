import { connectName, STREAM, SYNC_SUBJECT, syncName } from './names.ts';

/**
 * The durable consumer through which a peer receives: the operator at the owner's site makes it, and the sidecar at the
 * peer's site pulls from it. The two may be of different versions, so every number here is a promise: a lower cap would
 * make the server refuse the pulls of every sidecar that asks for as much as before.
 */

/** The limits that the durable is made with. */
export const DURABLE = {
  /** Most messages that one pull may ask for (`max_batch`); the server refuses a larger pull. */
  maxBatch: 5_000,
  /** Longest that one pull may wait at the server (`max_expires`), in milliseconds. */
  maxExpiresMs: 5_000,
  /** How long the server waits for an acknowledgement before it delivers again (`ack_wait`), in milliseconds. */
  ackWaitMs: 30_000,
  /**
   * Most messages that may be delivered and not acknowledged. Two of a peer's largest batches must fit, or its pipeline would
   * stall.
   */
  maxAckPending: 20_000,
  /** Most pulls that may wait at once (`max_waiting`). The pulls of a sidecar that has stopped count until they expire. */
  maxWaiting: 16,
} as const;

/** The most messages that a sidecar may put into one batch, so that two batches fit into {@link DURABLE.maxAckPending}. */
export const MAX_BATCH_MESSAGES = DURABLE.maxAckPending / 2;

/** A request on this subject asks a durable for messages. */
export function pullSubject(stream: string, durable: string): string {
  return `$JS.API.CONSUMER.MSG.NEXT.${stream}.${durable}`;
}

/** A request on this subject makes a durable begin again at another message (nats-server 2.14 and later). */
export function resetSubject(stream: string, durable: string): string {
  return `$JS.API.CONSUMER.RESET.${stream}.${durable}`;
}

/**
 * Acknowledgements of a durable's messages go to subjects that match one of these. The server chooses the form: it writes
 * the second one, with its domain (or `_`) and a hash of the account, when its feature flag `js_ack_fc_v2` is on
 * (nats-server 2.14 and later).
 *
 * The second one demands eleven tokens or more. Without that it would also match the first form for another peer's durable:
 * `$JS.ACK.EVENTS.<other durable>.EVENTS.<durable>.1.2.3` has the nine tokens on which the server listens for the other
 * durable, and with `+NXT` as its body it fetches messages there (tried). With eleven tokens or more, of which the fifth and
 * sixth are fixed, only this durable listens (nats-server 2.15.2, `consumer.go`, `ackSubjOld` and `ackSubj`).
 */
export function ackSubjects(stream: string, durable: string): readonly [first: string, second: string] {
  return [`$JS.ACK.${stream}.${durable}.>`, `$JS.ACK.*.*.${stream}.${durable}.*.*.*.*.>`];
}

/**
 * A pull that the server refuses for its form, so that the durable delivers nothing for it: a heartbeat must fit twice into
 * the time that a pull waits. The refusal shows that the durable exists.
 */
export const IMPOSSIBLE_PULL = JSON.stringify({ batch: 1, expires: 1, idle_heartbeat: 1 });

const NANOS_PER_MS = 1_000_000;

/** What every durable of a peer has, as the JetStream API has it; durations are in nanoseconds. */
interface CommonConfig {
  readonly durable_name: string;
  readonly description: string;
  readonly deliver_policy: 'all';
  readonly ack_wait: number;
  readonly max_ack_pending: number;
  readonly filter_subject: string;
}

/** The durable of a peer's sidecar, which pulls. */
export interface PullConfig extends CommonConfig {
  readonly ack_policy: 'all';
  readonly max_batch: number;
  readonly max_expires: number;
  readonly max_waiting: number;
}

/** The durable of a peer's connect, which is pushed to. */
export interface PushConfig extends CommonConfig {
  readonly ack_policy: 'explicit';
  readonly deliver_subject: string;
}

export type DurableConfig = PullConfig | PushConfig;

/** Who receives at the peer: lfh-sync's sidecar, or connect itself, where there is no lfh-sync. */
export type Client = 'Sidecar' | 'Connect';

/** The name of a peer's durable, and of the account that it signs in to. */
export function durableName(peerLfhId: string, client: Client): string {
  return client === 'Connect' ? connectName(peerLfhId) : syncName(peerLfhId);
}

/**
 * The durable that the owner of a stream makes for a peer that may receive from it.
 *
 * It delivers all messages, because a reset refuses any other policy; the peer decides where it starts. One acknowledgement
 * covers all messages before it, because a peer acknowledges batches.
 *
 * @param ackWaitMs how long the server waits for an acknowledgement, in milliseconds
 */
export function durableConfig(peerLfhId: string, ackWaitMs: number = DURABLE.ackWaitMs): PullConfig {
  return {
    durable_name: syncName(peerLfhId),
    description: `lfh-sync: what is sent to ${JSON.stringify(peerLfhId)}`,
    deliver_policy: 'all',
    ack_policy: 'all',
    ack_wait: ackWaitMs * NANOS_PER_MS,
    max_ack_pending: DURABLE.maxAckPending,
    max_batch: DURABLE.maxBatch,
    max_expires: DURABLE.maxExpiresMs * NANOS_PER_MS,
    max_waiting: DURABLE.maxWaiting,
    filter_subject: SYNC_SUBJECT,
  };
}

/** A request on this subject asks for the state of a durable. */
export function infoSubject(stream: string, durable: string): string {
  return `$JS.API.CONSUMER.INFO.${stream}.${durable}`;
}

/** The subject on which connect asks for the durable that it subscribes to. It asks for SYNC, whoever it is (docs/upstream.md). */
export const CONNECT_INFO_SUBJECT = infoSubject(STREAM, 'SYNC');

/** The subject that a push durable delivers to. */
export function deliverSubject(durable: string): string {
  return `lfh-sync.deliver.${durable}`;
}

/** As connect makes its own durable, SYNC. */
const CONNECT_MAX_ACK_PENDING = 1_000;

/**
 * The durable that the owner of a stream makes for a peer at which connect itself receives. It keeps the only position that there
 * is, since connect has none: so it is never begun anew while a floor is known.
 */
export function pushDurableConfig(peerLfhId: string): PushConfig {
  const name = connectName(peerLfhId);
  return {
    durable_name: name,
    description: `lfh-sync: what is sent to connect at ${JSON.stringify(peerLfhId)}`,
    deliver_policy: 'all',
    ack_policy: 'explicit',
    ack_wait: DURABLE.ackWaitMs * NANOS_PER_MS,
    max_ack_pending: CONNECT_MAX_ACK_PENDING,
    filter_subject: SYNC_SUBJECT,
    deliver_subject: deliverSubject(name),
  };
}

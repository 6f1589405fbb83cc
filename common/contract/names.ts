import { createHash } from 'node:crypto';

/** Names that both sides of a connection, the operator and the sidecar must derive alike. Pure. */

export const SYNC_TOPIC = 'LFH_SYNC';
export const EXCEPTION_TOPIC = 'LFH_EXCEPTION';
/** Empty; its partitions only spread the peers over a node's sidecars. */
export const OWNERS_TOPIC = 'LFH_SYNC_OWNERS';
/** Many more than a node has sidecars, so that peers spread evenly. Kafka can add partitions but not remove them. */
export const OWNERS_PARTITIONS = 64;
/** connect's own stream and subjects, see upstream.md. */
export const STREAM = 'EVENTS';
export const SYNC_SUBJECT = 'EVENTS.sync';
export const APP_SYNC_SUBJECT = 'EVENTS.app_sync';

const PLAIN_ID = /^[A-Za-z0-9_-]{1,48}$/;

/**
 * The `<d>` of the design: what a node is called on a NATS server, in Kafka and in Kubernetes.
 *
 * An lfh_id is free text; a dot, `*` or `>` in it would widen a NATS permission, so only a harmless one is used as it
 * is. The hash of any other has 52 characters: longer than a plain id may be, hence never mistaken for one.
 */
export function syncName(lfhId: string): string {
  return `lfh-sync-${PLAIN_ID.test(lfhId) ? lfhId : base32(createHash('sha256').update(lfhId, 'utf8').digest())}`;
}

/** Where the replies to a node's requests on a peer's NATS go; no other peer may listen there. */
export function inboxPrefix(name: string): string {
  return `_INBOX.${name}`;
}

/** The topic that holds the position of one peer, and nothing else's. */
export function positionTopic(peerName: string): string {
  return `LFH_SYNC_POSITION_${peerName}`;
}

/** One per node and peer: whoever begins a transaction under it fences everybody who did before. */
export function transactionalId(node: string, peerName: string): string {
  return `lfh-sync.${node}.${peerName}`;
}

/** The consumer group that all sidecars of a node join on {@link OWNERS_TOPIC}. */
export function ownersGroup(node: string): string {
  return `lfh-sync.${node}.owners`;
}

/** Each sidecar is a NATS service of this name on its node's own NATS; the operator finds them all by it. */
export const STATUS_SERVICE = 'lfh-sync';

/**
 * Where every sidecar of a node answers with its status: one request, an answer from each. The nats package puts the
 * endpoints of a service into a queue group, `q` unless named, of which one member answers: each sidecar needs a group of
 * its own.
 *
 * @param node the setting LFH_SYNC_NODE, whose shape keeps a dot, `*` and `>` out of the subject
 */
export function statusSubject(node: string): string {
  return `${STATUS_SERVICE}.${node}.status`;
}

/** The owners partition a peer belongs to: whoever holds it replays the peer. */
export function ownersPartition(peerName: string): number {
  return createHash('sha256').update(peerName, 'utf8').digest().readUInt32BE(0) % OWNERS_PARTITIONS;
}

function base32(bytes: Uint8Array): string {
  const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';
  let bits = '';
  for (const byte of bytes) bits += byte.toString(2).padStart(8, '0');
  return bits.replace(/.{1,5}/g, (five) => alphabet.charAt(Number.parseInt(five.padEnd(5, '0'), 2)));
}

import { createHash } from 'node:crypto';
import { encodeBase32 } from './base32.ts';

/** Names that the operator and the sidecar, here and at the other site, must derive in the same way. */

export const SYNC_TOPIC = 'LFH_SYNC';
export const EXCEPTION_TOPIC = 'LFH_EXCEPTION';
/** connect's own topic for what could not be transmitted, whose form ours keep (docs/upstream.md). */
export const RETRANSMIT_TOPIC = 'RETRANSMIT';
/** What a node's sidecars share in their consumer group is called so there. There is no such topic. */
export const OWNERS_LABEL = 'LFH_SYNC_OWNERS';
/** What they share is in so many parts: many more than a node has sidecars, so that peers spread evenly. */
export const OWNERS_PARTITIONS = 64;
/** connect's own stream and subjects (docs/upstream.md). */
export const STREAM = 'EVENTS';
export const SYNC_SUBJECT = 'EVENTS.sync';
export const APP_SYNC_SUBJECT = 'EVENTS.app_sync';

const PLAIN_ID = /^[A-Za-z0-9_-]{1,48}$/;

declare const isSyncName: unique symbol;
/**
 * The name that a node has on a NATS server, in Kafka and in Kubernetes: `lfh-sync-hospital-a`. A type of its own, so
 * that nobody passes the name of an LfhSyncPeer, which an administrator chooses, in its place.
 */
export type SyncName = string & { readonly [isSyncName]: true };

const PREFIX = 'lfh-sync-';

/**
 * Makes the {@link SyncName} of a node.
 *
 * An lfh_id is free text; a dot, `*` or `>` in it would widen a NATS permission, so only a harmless one is used as it
 * is. The hash of any other has 52 characters: longer than a plain id may be, hence never mistaken for one.
 */
export function syncName(lfhId: string): SyncName {
  const hash = (): string => encodeBase32(createHash('sha256').update(lfhId, 'utf8').digest()).toLowerCase();
  return `${PREFIX}${PLAIN_ID.test(lfhId) ? lfhId : hash()}` as SyncName;
}

/**
 * The name of a node's account and durable where connect itself receives there, and not a sidecar. It is another one than the
 * {@link syncName}, so that both can exist while one follows the other (ADR 29).
 */
export function connectName(lfhId: string): string {
  return `${CONNECT_PREFIX}${shortName(syncName(lfhId))}`;
}

const CONNECT_PREFIX = 'lfh-connect-';

/** Whether a name is of a form that {@link syncName} or {@link connectName} makes: a durable that is named so is ours. */
export function isOwnDurable(name: string): boolean {
  return name.startsWith(PREFIX) || name.startsWith(CONNECT_PREFIX);
}

/** The name of the durable of the same peer with the other client; the name itself where it is none of ours. */
export function otherDurable(name: string): string {
  if (name.startsWith(PREFIX)) return CONNECT_PREFIX + name.slice(PREFIX.length);
  return name.startsWith(CONNECT_PREFIX) ? PREFIX + name.slice(CONNECT_PREFIX.length) : name;
}

/** A sync name without what all of them begin with. */
export function shortName(name: SyncName): string {
  return name.slice(PREFIX.length);
}

/** The subjects of the replies to a node's requests on a peer's NATS; no other peer may subscribe to them. */
export function inboxPrefix(name: string): string {
  return `_INBOX.${name}`;
}

/** The topic that holds the position of one peer, and nothing else's. */
export function positionTopic(peer: SyncName): string {
  return `${POSITION_PREFIX}${peer}`;
}

/** Whether a topic is one that {@link positionTopic} names. */
export function isPositionTopic(topic: string): boolean {
  return topic.startsWith(POSITION_PREFIX);
}

const POSITION_PREFIX = 'LFH_SYNC_POSITION_';

/** The topic that holds what redrives have done of one peer. Set up like a position topic; no sync name begins like this. */
export function redriveTopic(peer: SyncName): string {
  return `${POSITION_PREFIX}redrive-${peer}`;
}

/** The transactional id of a redrive, which runs beside the replay of the peer. A sync name has no dot. */
export function redriveId(node: string, peer: SyncName): string {
  return `${transactionalId(node, peer)}.redrive`;
}

/** One per node and peer. A producer that begins under it fences every producer that began under it before. */
export function transactionalId(node: string, peer: SyncName): string {
  return `lfh-sync.${node}.${peer}`;
}

/** The consumer group that all sidecars of a node join. */
export function ownersGroup(node: string): string {
  return `lfh-sync.${node}.owners`;
}

declare const isFhirServerId: unique symbol;
/** What a FHIR server is called in the names of Kafka: a hash of its URL, which has other characters than those may have. */
export type FhirServerId = string & { readonly [isFhirServerId]: true };

/** @param url without user and password, in the form of `canonicalFhirUrl` */
export function fhirServerId(url: string): FhirServerId {
  const hash = createHash('sha256').update(url, 'utf8').digest();
  return `fhir-${encodeBase32(hash).toLowerCase().slice(0, 26)}` as FhirServerId;
}

/**
 * The consumer group that remembers how far LFH_SYNC was transmitted to a FHIR server. Its offsets are committed in the
 * transactions of the one sidecar that transmits there, whose transactional id is the same text.
 */
export function transmitGroup(node: string, server: FhirServerId): string {
  return `lfh-sync.${node}.transmit.${server}`;
}

/** The topic that holds the state of the transmission to one server, and nothing else's. Set up like a position topic. */
export function transmitStateTopic(server: FhirServerId): string {
  return `${POSITION_PREFIX}${server}`;
}

/** What the announcements of a node are called in Kafka, where they are owned by one sidecar, as a peer is. */
export const ANNOUNCEMENTS = 'announcements';

/** What one sidecar of a node owns: a peer, a FHIR server, or the announcements. */
export type OwnedName = SyncName | FhirServerId | typeof ANNOUNCEMENTS;

/** The consumer group that remembers how far LFH_SYNC was announced; also the transactional id, as {@link transmitGroup}. */
export function announceGroup(node: string): string {
  return `lfh-sync.${node}.${ANNOUNCEMENTS}`;
}

/** The topic that holds how far LFH_SYNC was announced, and nothing else. Set up like a position topic. */
export const ANNOUNCE_STATE_TOPIC = `${POSITION_PREFIX}${ANNOUNCEMENTS}`;

/** The owners partition that the announcements belong to. The sidecar that holds the partition announces. */
export function announceOwnersPartition(): number {
  return partitionOf(ANNOUNCEMENTS, OWNERS_PARTITIONS);
}

/** The owners partition that a FHIR server belongs to. The sidecar that holds the partition transmits to it. */
export function transmitOwnersPartition(server: FhirServerId): number {
  return partitionOf(server, OWNERS_PARTITIONS);
}

/** Each sidecar is a NATS service of this name on its node's local NATS, so that the operator finds all of them. */
export const STATUS_SERVICE = 'lfh-sync';

/**
 * The subject on which every sidecar of a node answers with its status: one request gets an answer from each. The nats package
 * puts the endpoints of a service into a queue group, named `q` by default, and only one member of a group answers. So each
 * sidecar needs a group of its own.
 *
 * @param node the setting LFH_SYNC_NODE, whose shape keeps a dot, `*` and `>` out of the subject
 */
export function statusSubject(node: string): string {
  return `${STATUS_SERVICE}.${node}.status`;
}

/** The owners partition that a peer belongs to. The sidecar that holds the partition replays the peer. */
export function ownersPartition(peer: SyncName): number {
  return partitionOf(peer, OWNERS_PARTITIONS);
}

/**
 * The one partition of a topic that all records of a peer go to, so that they stay in order. It must be the same in
 * every version: a peer whose partition changed would have newer records beside older ones.
 */
export function partitionOf(owned: OwnedName, partitions: number): number {
  return createHash('sha256').update(owned, 'utf8').digest().readUInt32BE(0) % partitions;
}

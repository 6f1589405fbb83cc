import type { SyncName } from '../common/contract/names.ts';
import type { Delivered, ResetAnswer } from './replay/delivered.ts';
import type { OutgoingRecord, RecordLocation, TopicLimits, TopicRefusal } from './replay/outgoing-record.ts';
import type { Position } from './replay/position.ts';

/**
 * What the pipeline needs of Kafka and NATS, in our own words. `sidecar/kafka/` and `sidecar/nats/` implement these
 * over their client libraries, so that a library can be exchanged on evidence.
 *
 * Whatever fails is thrown as one of the classes in `common/errors.ts`.
 */

/**
 * Writes for one peer, one transaction at a time, under that peer's transactional id.
 *
 * After anything thrown the writer is of no more use: close it and take the peer over anew.
 */
export interface ReplayWriter {
  /**
   * Begins a transaction and sends records and the position after them. All records of one peer and topic go to one
   * partition, in the order given, so that the replay is in order. Returns a location per record, in the order given.
   */
  send(records: readonly OutgoingRecord[], position: Position): Promise<RecordLocation[]>;
  /** Commits what was sent. Durable and visible when this resolves. */
  commit(): Promise<void>;
  /** Aborts what is open, if anything; never throws. */
  close(): Promise<void>;
}

export interface KafkaPort {
  /**
   * Makes a peer ours: fences every earlier writer, then reads the peer's position, in that order (docs/architecture.md, "A take-over"). Makes the position topic when missing.
   */
  takeOver(peer: SyncName): Promise<{ writer: ReplayWriter; position: Position | undefined }>;
  /**
   * Makes topics that are missing, and tells each one's limits or why it cannot be had. Cached; `fresh` asks again.
   * @param options.capped the topics are named by a peer: refuse new ones beyond the configured number
   */
  ensureTopics(
    topics: readonly string[],
    options?: { capped?: boolean; fresh?: boolean },
  ): Promise<ReadonlyMap<string, TopicLimits | TopicRefusal>>;
}

/** Which of the owners partitions this sidecar holds, kept by Kafka's group protocol. */
export interface OwnersPort {
  /** Whether this sidecar is a member of the group and in contact with it. */
  readonly joined: boolean;
  /** Partitions held now; empty while not joined. */
  readonly held: ReadonlySet<number>;
  /** Called after every change of {@link held} or {@link joined}. */
  onChange(listener: () => void): void;
  /**
   * Resolves when what is held can be relied on: nobody else can have been given it yet. Asked before every take-over,
   * since a sidecar that slept through a rebalance would otherwise fence the rightful owner. Or when `signal` is aborted.
   */
  confirmed(signal: AbortSignal): Promise<void>;
}

/** The connection to one peer's durable on one of its servers. Closed for good after anything thrown. */
export interface PeerStream {
  /** `host:port` of the server connected to. */
  readonly server: string;
  /** Our public key that the server accepted. */
  readonly key: string;
  /**
   * Aborted when this was signed in with the previous key and the server accepts the current one now: finish what is being
   * committed, and connect anew.
   */
  readonly superseded: AbortSignal;
  /**
   * Resets the durable, so that everything after `sequence` is delivered again from consumer sequence 1, and nothing
   * that was handed out before stands in the way. Without `sequence`: back to its own ack floor.
   * @returns undefined where the server is older than 2.14 and nobody answers
   */
  reset(sequence?: number): Promise<ResetAnswer | undefined>;
  /** Starts pulling; at most about `messages` and `bytes` are held here, whatever the backlog. */
  start(limits: { messages: number; bytes: number }): void;
  /** Stops pulling. Resolves when all that was asked for is buffered or has expired. */
  stop(): Promise<void>;
  /** Resolves when a message is buffered, or after `timeoutMs`; throws when the stream has failed. */
  available(timeoutMs: number): Promise<void>;
  /** Removes up to `limits` from the buffer, at least one message when there is one. */
  take(limits: { messages: number; bytes: number }): Delivered[];
  close(): Promise<void>;
}

/** A replayed message, as applications are told of it. */
export interface Announcement {
  /** By which the stream drops a repeat. */
  readonly id: string;
  readonly payload: Uint8Array;
}

/** The node's local NATS: where applications listen for what peers sent. */
export interface AnnouncePort {
  /** Publishes payloads on `EVENTS.app_sync`, each with its own message id. */
  announce(messages: readonly Announcement[]): Promise<void>;
}

import type { FhirServerId, SyncName } from '../common/contract/names.ts';
import type { Reason } from '../common/contract/reasons.ts';
import type { TransientError } from '../common/errors.ts';
import type { Place } from './replay/another-stream.ts';
import type { Delivered, ResetAnswer } from './replay/delivered.ts';
import type { ExceptionRecord } from './replay/exception.ts';
import type { OutgoingRecord, RecordLocation, TopicLimits, TopicRefusal } from './replay/outgoing-record.ts';
import type { Position } from './replay/position.ts';
import type { Range } from './replay/redrive-run.ts';
import type { Kept, Mark } from './replay/redriven.ts';
import type { NewPending } from './transmit/round.ts';
import type { Pending } from './transmit/state.ts';

/**
 * What a session needs of Kafka and NATS, in our own words. `sidecar/kafka/` and `sidecar/nats/` implement these
 * over their client libraries, so that a library can be replaced when there is a reason to.
 *
 * Every failure is thrown as one of the classes in `common/errors.ts`.
 */

/**
 * Records that are encoded as they come, to be written in one transaction. All records of one peer and topic go to one
 * partition, in the order given, so that the replay is in order.
 */
export interface EncodedBatch {
  /** The topics must have been ensured, see {@link KafkaPort.ensureTopics}. */
  add(records: readonly OutgoingRecord[]): void;
  /** Where each record was written, in the order given, once the batch was sent. */
  locations(): RecordLocation[];
}

/**
 * Writes for one peer, one transaction at a time, under that peer's transactional id.
 *
 * After any error the writer is of no more use: close it and take the peer over again.
 */
export interface ReplayWriter {
  /** Begins a batch, which may be filled while the one before it is sent and committed. One batch at a time is begun and not sent. */
  begin(): EncodedBatch;
  /** Begins a transaction and sends the batch that was begun, and the position after it. */
  send(batch: EncodedBatch, position: Position): Promise<void>;
  /** Commits what was sent. Durable and visible when this resolves. */
  commit(): Promise<void>;
  /** Aborts the open transaction, if there is one; never throws. */
  close(): Promise<void>;
}

export interface KafkaPort {
  /**
   * Makes a peer ours: fences every earlier writer, then reads the peer's position, in that order (docs/architecture.md,
   * "One take-over"). Makes the position topic when it is missing.
   */
  takeOver(peer: SyncName): Promise<{ writer: ReplayWriter; position: Position | undefined }>;
  /** Makes the redrive of a peer ours, as {@link takeOver} does with its replay. */
  takeOverRedrive(peer: SyncName): Promise<RedriveLog>;
  /**
   * Makes topics that are missing, and returns each one's limits, or why no topic can have that name. Answers are cached
   * for seconds.
   * @param options.peer the peer whose messages name the topics: only so many are made for each peer
   * @param options.maxAgeMs how old an answer of Kafka may be; 0 asks in any case
   * @param options.maxMessageBytes the setting of that name: topics that are made from now on take such messages
   * @throws TransientError when our own Kafka keeps us from having or using one: nothing is wrong with the messages
   */
  ensureTopics(
    topics: readonly string[],
    options?: { peer?: string; maxAgeMs?: number; maxMessageBytes?: number },
  ): Promise<ReadonlyMap<string, TopicLimits | TopicRefusal>>;
}

/** A partition of LFH_EXCEPTION: from which offset on it still exists (`Kept`), and what of it is to be read (`Range`). */
export type ExceptionRange = Range & Kept;

export interface ExceptionPage {
  readonly records: readonly ExceptionRecord[];
  /** Where the next one begins; undefined where the topic ends before, since it was deleted and made again. */
  readonly next: number | undefined;
}

/** The committed records of LFH_EXCEPTION. */
export interface ExceptionLog {
  /**
   * What all partitions hold now, in the order in which a peer's records were written.
   * @param since leaves out what was written before; in milliseconds since 1970
   */
  ranges(since: number): Promise<readonly ExceptionRange[]>;
  /** What comes from an offset on that was committed once: about half a megabyte. */
  read(partition: number, offset: number): Promise<ExceptionPage>;
  /** Never throws. */
  close(): Promise<void>;
}

/** What a redrive reads from Kafka and writes there. Closed for good after any error. */
export interface RedriveLog extends ExceptionLog {
  /** How far the last run is, encoded; undefined where there was none. */
  readonly run: string | undefined;
  /** What was replayed: the newest value of each key. */
  readonly marks: ReadonlyMap<string, string>;
  /**
   * Writes in one transaction: messages, what is marked for that, and how far the run is.
   *
   * @param marks which records of LFH_EXCEPTION were replayed; each replaces an earlier one of its key
   * @param run encoded
   * @returns where the records are
   */
  commit(
    records: readonly OutgoingRecord[],
    marks: readonly Mark[],
    run: string,
  ): Promise<() => readonly RecordLocation[]>;
}

/** What the transmission to FHIR servers needs of Kafka. */
export interface TransmitPort {
  /**
   * Makes the transmission to a server ours, as {@link KafkaPort.takeOver} does with a peer. Where it was never ours or another
   * sidecar's, it begins at the end of LFH_SYNC.
   */
  takeOverTransmission(server: FhirServerId): Promise<TransmitLog>;
}

/** A committed record of LFH_SYNC. */
export interface SyncRecord {
  readonly place: RecordLocation;
  readonly value: Buffer;
  /** When it was written, in milliseconds since 1970. */
  readonly since: number;
}

/** What one server's transmission reads from Kafka and writes there. Closed for good after any error. */
export interface TransmitLog {
  readonly pending: readonly Pending[];
  /**
   * What LFH_SYNC has after the place that {@link commit} last moved to, as far as it is known; it counts Kafka's own markers, and
   * what is not committed yet.
   */
  readonly lag: number;
  /** Whether {@link next} has returned records that are not done yet. */
  readonly hasNext: boolean;
  /** For a person: why LFH_SYNC is not read on, although Kafka answers; undefined: nothing holds it up. */
  readonly heldUp: string | undefined;
  /** Records that LFH_SYNC did not have any more when it was their turn, since the take-over. */
  readonly expired: number;
  /** What comes next in LFH_SYNC: about a megabyte at most, nothing after `waitMs` where nothing comes. */
  next(waitMs: number): Promise<readonly SyncRecord[]>;
  /** Asks how far LFH_SYNC goes, for {@link lag}, while nothing is read. */
  measure(): Promise<void>;
  /** Reads what waits in RETRANSMIT. What is not there any more is missing in the answer. */
  readPending(pending: readonly Pending[]): Promise<ReadonlyMap<Pending, Buffer>>;
  /** The largest record batches, in bytes, that the topics take. */
  limits(): Promise<{ readonly retransmit: number; readonly exception: number }>;
  /**
   * Writes in one transaction: records, that the first `taken` records of {@link next} are done, and what waits now.
   */
  commit(taken: number, records: readonly OutgoingRecord[], pending: readonly (Pending | NewPending)[]): Promise<void>;
  /** Never throws. */
  close(): Promise<void>;
}

/** What the announcements need of Kafka. */
export interface AnnounceLogPort {
  /**
   * Makes the announcements ours, as {@link KafkaPort.takeOver} does with a peer.
   *
   * @param since where nobody has announced before, it begins with what was written to LFH_SYNC at this time or later, in
   *   milliseconds since 1970
   */
  takeOverAnnouncements(since: number): Promise<AnnounceLog>;
}

/** How far LFH_SYNC was announced, and what comes next. Closed for good after any error. */
export interface AnnounceLog extends Pick<TransmitLog, 'lag' | 'heldUp' | 'expired' | 'next' | 'measure' | 'close'> {
  /** Writes that the first `taken` records of {@link next} are done. */
  commit(taken: number): Promise<void>;
}

/** Which of the owners partitions this sidecar holds, kept by Kafka's group protocol. */
export interface OwnersPort {
  /** Whether this sidecar is a member of the group and in contact with it. */
  readonly joined: boolean;
  /** Why this sidecar is not a member, once joining has failed. */
  readonly problem: { readonly reason: Reason; readonly message: string } | undefined;
  /** Partitions held now; empty while not joined. */
  readonly held: ReadonlySet<number>;
  /** Called after every change of {@link held}, {@link joined} or {@link problem}. */
  onChange(listener: () => void): void;
  /**
   * Resolves when {@link held} can be relied on, because the group cannot have given a partition to another sidecar yet, or
   * when `signal` is aborted. Asked before every take-over, since a sidecar that slept through a rebalance would otherwise
   * fence the rightful owner.
   */
  confirmed(signal: AbortSignal): Promise<void>;
}

/** A message that was looked at. */
export type Peeked = Place & Pick<Delivered, 'payload' | 'size'>;

/** A delivery that can be handed back. */
export interface Received extends Delivered {
  /** The subject on which it is answered. */
  readonly reply: string;
}

/** The connection to one peer's durable on one of its servers. Closed for good after any error. */
export interface PeerStream {
  /** `host:port` of the server connected to. */
  readonly server: string;
  /** Our public key that the server accepted. */
  readonly key: string;
  /** When the server's certificate, or one above it, expires first, in milliseconds since 1970; undefined where it says nothing. */
  readonly certificateExpires: number | undefined;
  /**
   * How long to wait, in milliseconds, until a message that was handed out and not acknowledged is certainly due again: the
   * durable's `ack_wait` and some time for the way. Matters only for servers that cannot reset.
   */
  readonly ackWaitMs: number;
  /**
   * Aborted when this was signed in with the previous key and the server accepts the current one now: finish what is being
   * committed, and connect again.
   */
  readonly superseded: AbortSignal;
  /** Whether the server has said, since the newest message that it sent, that it has nothing more to send now. */
  readonly idle: boolean;
  /**
   * Resets the durable, so that everything after `sequence` is delivered again from consumer sequence 1, and nothing
   * that was handed out before stands in the way. Without `sequence`: back to its own ack floor.
   * @returns undefined when nobody answers, because the server is older than 2.14
   */
  reset(sequence?: number): Promise<ResetAnswer | undefined>;
  /**
   * Pulls the next message, and says where it stands in the stream. Reset the durable afterwards: to the server the message is
   * handed out.
   * @returns undefined when none came
   */
  peek(): Promise<Peeked | undefined>;
  /** Starts pulling; at most about `messages` and `bytes` are held here, whatever the backlog. */
  start(limits: { messages: number; bytes: number }): void;
  /** Stops pulling. Resolves when everything that was asked for is buffered or has expired. */
  stop(): Promise<void>;
  /**
   * Resolves when a message is buffered, or after `timeoutMs`. Throws when the stream has failed and nothing is buffered any
   * more: what was received before a failure can still be taken.
   */
  available(timeoutMs: number): Promise<void>;
  /** Removes up to `limits` from the buffer, at least one message when there is one. */
  take(limits: { messages: number; bytes: number }): Received[];
  /**
   * Hands deliveries back, so that the server delivers their messages again after a while, in this order. Resolves when the server has
   * read that. Matters only for servers that cannot reset.
   * @param replies see {@link Received}
   * @param delayMs not 0: without a delay a server leaves a message where it is in its queue of redeliveries, if it is there already
   */
  handBack(replies: readonly string[], delayMs: number): Promise<void>;
  close(): Promise<void>;
}

/** A replayed message, as it is announced to applications. */
export interface Announcement {
  /** The message id by which the stream drops a repeat. */
  readonly id: string;
  readonly payload: Uint8Array;
}

/** What became of announcements. */
export interface Announced {
  /** So many of the first are done: the stream has confirmed each, or it is among {@link tooLarge}. */
  readonly done: number;
  /** Indexes of those that the server or its stream can never take, in order. */
  readonly tooLarge: readonly number[];
  /** Why the others are not done; undefined where all are. */
  readonly problem?: TransientError;
}

/** The node's local NATS, where applications listen for what peers sent. */
export interface AnnouncePort {
  /** Publishes payloads on `EVENTS.app_sync` in their order, each with its own message id. Never throws a {@link TransientError}. */
  announce(messages: readonly Announcement[]): Promise<Announced>;
}

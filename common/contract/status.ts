import type { AnnounceStatus } from './announce-status.ts';
import type { Reason, RejectReason, SkipReason } from './reasons.ts';
import type { TransmitStatus } from './transmit-status.ts';

/** The answer of `/status`, for people and for the operator. */

export interface PositionStatus {
  readonly sequence: number;
  /** When the peer's stream stored that message; null before the first. */
  readonly time: string | null;
  readonly identity: string | null;
}

const PLAIN_ORIGIN = /^[!-~]{1,64}$/;

/**
 * Whether an `lfh_id` that a peer wrote may be shown to a person: at most 64 printable ASCII characters, as people name nodes.
 * Anything else could be a text that the peer wants somebody here to read.
 */
export function isPlainOrigin(lfhId: string): boolean {
  return PLAIN_ORIGIN.test(lfhId);
}

/** Messages that were rejected one after another, with none replayed between them or since. */
export interface RejectedRun {
  readonly count: number;
  /** The commonest reason among them. */
  readonly reason: RejectReason;
  /** For `ForeignOrigin` the newest `lfh_id` that came and {@link isPlainOrigin}, so that a person can compare it with `lfhId`. */
  readonly origin: string | null;
}

/** How far a redrive is. The counts are of messages; those that an earlier redrive has replayed are in none of them. */
export interface RedriveStatus {
  readonly id: string;
  readonly dryRun: boolean;
  /** `Waiting`: something keeps it from going on, and it is tried again; {@link message} says what. */
  readonly state: 'Running' | 'Waiting' | 'Done';
  /** For a person; empty where all is well. */
  readonly message: string;
  /** Those in LFH_EXCEPTION that were looked at and are asked for. Each is in one of the other counts, too. */
  readonly found: number;
  /** Those that today's settings accept; with {@link dryRun} none of them is replayed. */
  readonly replayed: number;
  /** Those that today's settings reject as well. */
  readonly rejected: number;
  /** Those that LFH_EXCEPTION holds only in part, and the peer's stream not at all. */
  readonly missing: number;
  readonly startedAt: string;
  /** null while it is not done. */
  readonly finishedAt: string | null;
}

export interface PeerStatus {
  readonly name: string;
  readonly lfhId: string;
  /** Whether this sidecar is the one that replays it. */
  readonly owned: boolean;
  readonly reason: Reason;
  /** For a person: what is wrong, where, and what to do. */
  readonly message: string;
  /** When the reason last changed. */
  readonly since: string;
  readonly server: string | null;
  /** The public key that the server accepted. During a rotation this is the previous key until the server knows the current. */
  readonly key: string | null;
  /**
   * When the certificate of the peer's server, or one above it, expires first, as last seen by the sidecar that replays the peer;
   * null while not known.
   */
  readonly certificateExpires: string | null;
  readonly position: PositionStatus | null;
  /**
   * Which settings of this peer are in force here: 12 hexadecimal digits that change with them. The operator compares them with what
   * it has written. null where none are, since a file that they name cannot be used, and where a person has written them.
   */
  readonly digest: string | null;
  /** Messages that the peer has for us and that are not replayed yet; null while not known. */
  readonly lag: number | null;
  readonly replayed: number;
  readonly skipped: Readonly<Record<SkipReason, number>>;
  readonly rejected: Readonly<Record<RejectReason, number>>;
  /** null: the newest message was replayed, or none was rejected since this sidecar started. */
  readonly rejectedRun: RejectedRun | null;
  readonly lastReplayTime: string | null;
  /** The redrive that the settings ask for; null where they ask for none, and until the peer is taken over. */
  readonly redrive: RedriveStatus | null;
  /** How often a delivery did not follow the one before it. */
  readonly gaps: number;
  readonly streamRecreated: number;
}

export interface SidecarStatus {
  readonly lfhId: string;
  readonly node: string;
  readonly version: string;
  readonly startedAt: string;
  readonly settings: {
    /** Refused: the newest settings do not parse, and the last good settings are in force. */
    readonly state: 'Current' | 'Refused' | 'RestartNeeded';
    readonly message: string;
    /** Which settings were taken up last: 12 hexadecimal digits that change with them; null where no operator has written them. */
    readonly digest: string | null;
  };
  /** The keys for peers, in the order in which they are tried: the current one, and during a rotation the previous one. */
  readonly publicKeys: readonly string[];
  /** The node's local NATS. */
  readonly nats: {
    /** The public key that it accepted, which is derived and not among {@link publicKeys}; null without a connection. */
    readonly key: string | null;
    /** Why there is no connection; empty while there is one. */
    readonly message: string;
  };
  readonly kafka: {
    readonly joined: boolean;
    /** What a person should know although all is well, such as topics with one replica; null: nothing. */
    readonly remark: string | null;
  };
  readonly peers: readonly PeerStatus[];
  /** The announcements; absent where they are turned off, and from a sidecar of a version that keeps none in Kafka. */
  readonly announce?: AnnounceStatus;
  /** The FHIR servers; absent from a sidecar of a version that does not transmit. */
  readonly transmit?: readonly TransmitStatus[];
}

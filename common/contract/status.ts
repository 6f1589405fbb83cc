import type { Reason, RejectReason, SkipReason } from './reasons.ts';

/** What `/status` answers, for people and for the operator. */

export interface PositionStatus {
  readonly sequence: number;
  /** When the peer's stream stored that message; null before the first. */
  readonly time: string | null;
  readonly identity: string | null;
}

export interface PeerStatus {
  readonly name: string;
  readonly lfhId: string;
  /** Whether this sidecar is the one that replays it. */
  readonly owned: boolean;
  readonly reason: Reason;
  /** For a person: what is wrong, where, what to do. */
  readonly message: string;
  /** Since when the reason is what it is. */
  readonly since: string;
  readonly server: string | null;
  /** Public key that the server let us in with: during a rotation the previous one, until it knows the current. */
  readonly key: string | null;
  readonly position: PositionStatus | null;
  /** Messages that the peer has for us and that are not replayed yet; null while not known. */
  readonly lag: number | null;
  readonly replayed: number;
  readonly skipped: Readonly<Record<SkipReason, number>>;
  readonly rejected: Readonly<Record<RejectReason, number>>;
  readonly lastReplayTime: string | null;
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
    /** Refused: the newest do not parse, and the last good ones are in force. */
    readonly state: 'Current' | 'Refused' | 'RestartNeeded';
    readonly message: string;
  };
  /** What it signs in with at peers, in the order in which they are tried: the current one, and during a rotation the previous. */
  readonly publicKeys: readonly string[];
  /** The node's local NATS. */
  readonly nats: {
    /** Public key that it let us in with, which is none of {@link publicKeys}; null while it has not. */
    readonly key: string | null;
    /** Why it has not; empty while it has. */
    readonly message: string;
  };
  readonly kafka: { readonly joined: boolean };
  readonly peers: readonly PeerStatus[];
}

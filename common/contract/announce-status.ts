/** What `/status` says about the announcements, with every reason that it can have. Status, docs and tests take them from here. */

/** Every state of the announcements, with what it means and what to do about it. */
export const ANNOUNCE_REASON_TEXTS = {
  Starting: 'The announcements are being taken over. Passes by itself within seconds.',
  Announcing: 'All is well. `lag` is what comes next.',
  NotOwned: "Another sidecar of this node announces. Look at that one's status.",
  LocalNatsFails:
    "This node's NATS cannot be reached, or does not take announcements; the message says why. Nothing is lost: what was replayed waits in LFH_SYNC, and is announced when the NATS takes it.",
  KafkaUnavailable:
    "This node's Kafka cannot be reached or does not answer, or somebody's open transaction keeps LFH_SYNC from being read; the message says which. Tried again.",
  KafkaRefused:
    "This node's Kafka or its settings keep us from reading or writing; the message names what to change. Nothing is lost.",
  TopicNotCompacted: 'The topic LFH_SYNC_POSITION_announcements is not compacted. Set cleanup.policy=compact.',
  PositionLost:
    'LFH_SYNC_POSITION_announcements holds something else. Delete the topic: the announcements then begin with what was replayed since the sidecar started.',
  Fenced: 'Another sidecar of this node took the announcements over in between. Passes by itself.',
  UncertainCommit: 'A transaction failed in the middle. What became of it is being found out.',
  InternalError:
    'An error that nobody foresaw stopped the announcements, and nothing else. Tried again after 30 s, and later after up to 10 min. The log of the container lfh-sync has its stack: please report it.',
} as const satisfies Readonly<Record<string, string>>;

export type AnnounceReason = keyof typeof ANNOUNCE_REASON_TEXTS;

/** Why a replayed message is never announced, each with what to do about it. The message itself was replayed. */
export const ANNOUNCE_LOSSES = {
  Expired: 'LFH_SYNC did not have it any more when it was its turn. Raise retention.ms of the topic.',
  TooLarge:
    "It is larger than max_payload of this node's NATS, which is to be what the peers' NATS servers have, or than max_msg_size of its stream EVENTS, which connect leaves at -1.",
} as const;
export type AnnounceLoss = keyof typeof ANNOUNCE_LOSSES;

export interface AnnounceStatus {
  /** Whether this sidecar is the one that announces. */
  readonly owned: boolean;
  readonly reason: AnnounceReason;
  /** For a person: what is wrong, where, and what to do. */
  readonly message: string;
  /** When the reason last changed. */
  readonly since: string;
  /** What LFH_SYNC has that is not announced yet; it counts Kafka's own markers too. null while not known. */
  readonly lag: number | null;
  readonly announced: number;
  /** Replayed messages that are never announced. They are in Kafka. */
  readonly lost: Readonly<Record<AnnounceLoss, number>>;
}

import { settingText } from './settings.ts';

/** Every reason that a sidecar reports, with its text. Conditions, metrics, docs and tests all take them from here. */

/** Every reason of a peer, with what it means and what to do about it. */
export const REASON_TEXTS = {
  Starting: 'The peer is being taken over. Passes by itself within seconds.',
  Replaying: 'All is well.',
  Paused: 'Paused in the settings.',
  NotOwned: "Another sidecar of this node replays this peer. Look at that one's status.",
  NotTrusted:
    "The peer's certificate is not from a CA that is trusted for this peer. Compare `caFile` with the peer's CA.",
  CertificateExpired: "The certificate of the peer's server has expired. Its administrator must renew it.",
  CertificateNotYetValid: "The certificate of the peer's server is not valid yet. Compare the clocks.",
  HostNameMismatch:
    "The certificate of the peer's server is for another name. Correct `servers` or set `tlsServerName`.",
  TlsRequired: "The peer's server does not speak TLS. Its administrator must turn it on.",
  ClientCertificateRequired:
    "The peer's server demands a client certificate, and lfh-sync has none. Its administrator must not demand one.",
  ServerTooOld:
    "The peer's nats-server is too old; the message says which version it has and which it needs. Its administrator must update it.",
  KeyRefused:
    "The peer's server does not accept this node's key. Ask its administrator to add the public key in the message.",
  PermissionDenied:
    'The peer lets us sign in but not do what is needed. Its administrator should let lfh-sync write our access.',
  Unreachable: "No connection to the peer's server, or it has fallen silent. Tried again with a growing delay.",
  ConsumerMissing:
    'Our durable consumer is not there. Its administrator must apply our node as a peer; after that, wait.',
  Throttled:
    'The peer has brought all that `limits.bytesPerDay` allows for a day. The rest waits there; the message says until when.',
  PositionLost:
    'Kafka holds no position although messages were replayed before. A person decides; the message says how.',
  StreamRecreated: "The peer's stream turned out to be a new one. Everything in it is replayed.",
  StreamDiverged:
    "The peer's stream does not hold the last message that was replayed, but others: it was put back from an older copy, or has lost its end. A person decides; the message says how.",
  ChainBroken: 'Another process was handed messages of ours; they are being asked for again. Passes by itself.',
  KafkaUnavailable:
    "This node's Kafka cannot be reached, does not answer, or does not let us in: the log of the container lfh-sync says which. Tried again.",
  KafkaRefused:
    "This node's Kafka or its settings keep us from writing: a right, a topic's settings, a policy, disk or a limit. The message names the topic and what to change. No message is lost; it goes on by itself.",
  TopicNotCompacted:
    'A position topic is not compacted, so Kafka would delete the position. Set cleanup.policy=compact.',
  Fenced: 'Another sidecar of this node took the peer over in between. Passes by itself.',
  UncertainCommit:
    'A transaction failed in the middle. What became of it is being found out; nothing is lost or repeated.',
  InternalError:
    'An error that nobody foresaw stopped the replay of this peer, and of no other. Nothing is lost. Tried again after 30 s, and later after up to 10 min. The log of the container lfh-sync has its stack: please report it.',
  InvalidSettings: "This peer's settings name something that is missing or wrong; the message says what.",
} as const satisfies Readonly<Record<string, string>>;

/** Why a peer is, or is not, replayed right now. */
export type Reason = keyof typeof REASON_TEXTS;

export const REASONS = Object.keys(REASON_TEXTS) as readonly Reason[];

/** Why a message is not replayed although nothing is wrong with it, each with its meaning. */
export const SKIP_REASONS = {
  AlreadyReplayed: 'Delivered again although it is in Kafka: an acknowledgement was lost or late. Nothing to do.',
  OwnMessage: 'Its lfh_id is our own: the peer sent back what we sent. Nothing to do.',
  BeforeStart: 'Older than startFrom. Nothing to do.',
} as const;
export type SkipReason = keyof typeof SKIP_REASONS;

/** Why a message ends in LFH_EXCEPTION instead of being replayed, each with what to do about it. */
export const REJECT_REASONS = {
  Empty: 'The message has no bytes. Something other than connect publishes on EVENTS.sync there.',
  TooLarge: `Larger than ${settingText('maxMessageBytes')}. Raise it if such messages are wanted.`,
  NotUtf8: 'Not UTF-8. Something other than connect publishes on EVENTS.sync there.',
  NotJson: 'Not JSON. Something other than connect publishes on EVENTS.sync there.',
  NotAnObject: 'JSON, but not an object. Something other than connect publishes on EVENTS.sync there.',
  MissingField: 'A field that every message has is missing; error_msg names it.',
  WrongType: 'A field has the wrong type; error_msg names it.',
  InvalidField: 'A field has the right type but not a value that can be; error_msg names it.',
  ForeignOrigin: "Its lfh_id is neither the peer's nor in allowOrigins. Add it there if the peer may pass it on.",
  BadBase64: 'data is not base64.',
  ContentMismatch: 'data is not what data_format says.',
  IllegalTopic: 'data_format is not a name that Kafka allows for a topic.',
  ForbiddenTopic:
    "data_format names one of our own, connect's or Kafka's topics, or one that Kafka takes for the same, since it has a dot for a `_` there. Ask the peer's administrator why.",
  FormatNotAllowed: 'data_format is not in allowFormats. Add it there if it is wanted.',
  TopicRefused: 'No topic can have the name in data_format here: it differs from another only by . and _.',
} as const;
export type RejectReason = keyof typeof REJECT_REASONS;

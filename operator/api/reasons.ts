import { REASON_TEXTS } from '../../common/contract/status.ts';
import type { Reason } from '../../common/errors.ts';
import type { Condition } from './types.ts';

/** Every reason of every condition, once: plans can use no other, and docs/api.md is made from this. */

export type ConditionStatus = Condition['status'];

/**
 * Who can end it. It `passes` by itself, or `we` must do something in this namespace or on our own servers, or the
 * `peer`'s administrator must. Tells {@link withProgress} what kstatus is to hear.
 */
type EndedBy = 'passes' | 'we' | 'peer';

export interface ReasonEntry {
  /** Those that it comes with. */
  readonly statuses: readonly ConditionStatus[];
  /** Absent where nothing is wrong. */
  readonly endedBy?: EndedBy;
  /** What it means, and what to do. */
  readonly text: string;
}

const fine = (text: string): ReasonEntry => ({ statuses: ['True'], text });
const bad = (endedBy: EndedBy, text: string): ReasonEntry => ({ statuses: ['False'], endedBy, text });
const unknown = (endedBy: EndedBy, text: string): ReasonEntry => ({ statuses: ['Unknown'], endedBy, text });
const badOrUnknown = (endedBy: EndedBy, text: string): ReasonEntry => ({
  statuses: ['False', 'Unknown'],
  endedBy,
  text,
});

/** What the sidecar says itself; the texts are in the contract with it. */
function sidecarReasons(): Record<Exclude<Reason, 'Replaying' | 'Paused' | 'NotOwned'>, ReasonEntry> {
  const says = (endedBy: EndedBy, reason: Reason): ReasonEntry => bad(endedBy, REASON_TEXTS[reason]);
  return {
    Starting: says('passes', 'Starting'),
    NotTrusted: says('we', 'NotTrusted'),
    CertificateExpired: bad(
      'peer',
      "A certificate has expired; the message says which. One of the peer's server: its administrator must renew it. One in " +
        '`spec.ca`: put the new one there, beside the old one where both are in use.',
    ),
    CertificateNotYetValid: bad(
      'passes',
      "A certificate, of the peer's server or in `spec.ca`, is not valid yet; the message says which. Compare the clocks.",
    ),
    HostNameMismatch: says('we', 'HostNameMismatch'),
    TlsRequired: says('peer', 'TlsRequired'),
    KeyRefused: says('peer', 'KeyRefused'),
    PermissionDenied: says('peer', 'PermissionDenied'),
    Unreachable: says('passes', 'Unreachable'),
    ConsumerMissing: says('peer', 'ConsumerMissing'),
    PositionLost: says('we', 'PositionLost'),
    StreamRecreated: says('passes', 'StreamRecreated'),
    ChainBroken: says('passes', 'ChainBroken'),
    KafkaUnavailable: says('passes', 'KafkaUnavailable'),
    KafkaRefused: says('we', 'KafkaRefused'),
    TopicNotCompacted: says('we', 'TopicNotCompacted'),
    Fenced: says('passes', 'Fenced'),
    UncertainCommit: says('passes', 'UncertainCommit'),
    InvalidSettings: says('we', 'InvalidSettings'),
  };
}

const TRUST = {
  CertificateInvalid: bad('we', 'What should be the PEM of a certificate authority is none; the message says where.'),
  NotACertificateAuthority: bad(
    'we',
    "A certificate is no authority's. Give the CA that signed the server's certificate, not that certificate.",
  ),
  PrivateKeyPasted: bad(
    'we',
    'There is a private key where a certificate belongs. Remove it, and consider the key compromised: have it replaced.',
  ),
  MissingReference: bad(
    'we',
    'A ConfigMap or Secret that the spec names is not there, or lacks the key; the message says which. Make it.',
  ),
} as const;

const EITHER_DIRECTION = {
  Conflict: bad(
    'we',
    'An older peer has the same lfhId or public key, and keeps its access. Delete one of them, or ask whose it is.',
  ),
  NodeMissing: bad('we', 'There is no LfhSyncNode of the name in `spec.nodeRef`. Make it, or correct the name.'),
  NodeNotReady: badOrUnknown('passes', 'Its LfhSyncNode has a problem of its own. Look at that.'),
  InvalidSpec: bad('we', 'The spec contradicts itself or the node; the message says where. Correct it.'),
  AwaitingPeer: bad(
    'peer',
    "The other side has not applied our invitation yet. Send it the syncpeer.yaml of the ConfigMap in the node's " +
      '`status.invitation`.',
  ),
} as const;

const RECEIVE = {
  Replaying: fine(REASON_TEXTS.Replaying),
  NotRequested: fine('`spec.servers` names none, so nothing is received from this peer.'),
  Paused: fine('`spec.receive.paused` is true. What the peer has for us waits there.'),
  ...EITHER_DIRECTION,
  Lagging: bad(
    'we',
    'Messages wait at the peer, and none was replayed for a while although the connection stands. Look at the log of the ' +
      'sidecar, and at Kafka.',
  ),
  NoReport: unknown(
    'passes',
    'No sidecar has reported on this peer lately. Passes within seconds where one takes it over; otherwise look at the ' +
      'condition SidecarReady of the node.',
  ),
  ...TRUST,
  ...sidecarReasons(),
} as const;

const SEND = {
  Pulling: fine('The peer is there and fetches.'),
  Connected: fine(
    "The peer's connect, without lfh-sync, is signed in (`send.client: Connect`). The message says what more it may do.",
  ),
  NotRequested: fine('`spec.publicKeys` names none, so the peer may not receive from us.'),
  Paused: fine('`spec.send.paused` is true, so the peer has no access for now.'),
  ...EITHER_DIRECTION,
  ConfigNotLive: bad(
    'passes',
    'Not every nats-server of this node lets the peer in yet. Look at the condition NatsConfigLive of the node.',
  ),
  NatsUnreachable: unknown(
    'passes',
    "This node's NATS could not be asked about the peer. Look at the condition NatsConfigLive of the node.",
  ),
  StreamMissing: bad(
    'we',
    "This node's NATS has no stream EVENTS. connect makes it when it starts: is it running, and in the account of " +
      '`spec.nats.account`?',
  ),
  ConsumerMissing: bad('passes', "The peer's durable consumer is not there yet, or was removed. It is made again."),
  NoPull: bad(
    'peer',
    'The peer did fetch before and has stopped. Ask its administrator; what it has not fetched waits here, for as long as ' +
      'our stream keeps it.',
  ),
  Lagging: bad(
    'peer',
    'Messages wait for the peer, and it has acknowledged none for a while. Ask its administrator to look at its sidecar.',
  ),
  MessagesExpired: bad(
    'peer',
    "Our stream has dropped messages that the peer had not read. They are lost to it: tell it, and raise the stream's " +
      'max_age or limits.',
  ),
  PublishedKey: bad(
    'peer',
    "LinuxForHealth publishes the peer's key with its seed, so that anybody can sign in as this peer. It needs a key of " +
      'its own.',
  ),
  ClientNotSupported: bad(
    'peer',
    '`send.client: Connect` is not served: connect would share one consumer with ours, each acknowledging for the other. ' +
      'Run lfh-sync there.',
  ),
} as const;

const KEY = {
  KeyMade: fine('The operator has made the key; it is in the Secret named as the node with -nkey.'),
  KeyBrought: fine('The key is the one in `spec.key.secretRef`.'),
  Rotating: fine(
    'There is a new key, and the previous one still counts. Send the new invitation to the peers in ' +
      '`status.previousKeyInUseBy`.',
  ),
  Reconciling: unknown('passes', 'The key is being made.'),
  KeyLost: bad(
    'we',
    'The Secret with the key is gone, and peers know that key. Restore it, or raise `spec.key.rotation` to have a new one ' +
      'made and send the new invitation to every peer.',
  ),
  PublishedKey: bad(
    'we',
    'The key is one that LinuxForHealth publishes with its seed, so that anybody can use it. Bring another, or raise ' +
      '`spec.key.rotation`.',
  ),
  InvalidKey: bad('we', 'What the Secret holds is no seed of an NKey user (SU…). Correct it, or restore it.'),
  MissingReference: bad('we', 'The Secret in `spec.key.secretRef` is not there, or has no nats-server.nk. Make it.'),
} as const;

const NATS_CONFIG = {
  Live: fine('Every nats-server runs the configuration that was written last; it was tried by signing in.'),
  Reconciling: unknown('passes', 'No nats-server was asked yet.'),
  ConfigNotLive: bad(
    'passes',
    'A nats-server runs an older configuration; the message says which. A mounted ConfigMap takes up to a minute. If it ' +
      'stays: does the server include our files, and is it told to reload (`spec.nats.reload`)?',
  ),
  NoAuthorization: bad(
    'we',
    'A nats-server lets in a key that nobody has: it has no authorization at all. Include our files as docs/nats.md shows.',
  ),
  IncludeMissing: bad(
    'we',
    'A nats-server does not know the node by its key: it does not include our files. Include them as docs/nats.md shows.',
  ),
  NatsUnreachable: bad('passes', 'A nats-server does not answer, or none is found at `spec.nats.servers`.'),
  NatsNotTrusted: bad(
    'we',
    "A nats-server's certificate is not from a CA in `spec.nats.ca`, or not for the name in `spec.nats.servers`.",
  ),
  NatsRefusedConfig: bad('we', 'nats-server refuses the configuration and runs the previous one; its log says why.'),
  UnsupportedAuth: bad(
    'we',
    'This NATS takes its users from an operator (JWT) or an auth callout, so a configuration file can add none.',
  ),
  Conflict: bad('we', 'An older LfhSyncNode has the same nats-server, and keeps it. Give each node its own.'),
  InvalidSpec: bad('we', 'The spec contradicts itself or a peer; the message says where. Correct it.'),
  KeyNotReady: bad('we', 'There is no key to write the configuration with. Look at the condition KeyReady.'),
  CertificateExpired: bad('we', 'A CA in `spec.nats.ca` has expired. Put the new one there.'),
  CertificateNotYetValid: bad('passes', 'A CA in `spec.nats.ca` is not valid yet. Compare the clocks.'),
  ...TRUST,
} as const;

const SIDECAR = {
  Reporting: fine('The sidecars report, and have taken up their settings.'),
  Injected: fine('The sidecar is in the pod template of `status.workload`.'),
  NotRequested: fine('`spec.connect` is absent, so no sidecar is injected.'),
  NoReport: unknown(
    'passes',
    "No sidecar answers over this node's NATS. Are the pods of connect running? Look at the log of their container lfh-sync.",
  ),
  SettingsNotLive: bad(
    'we',
    'A sidecar has refused its newest settings, or needs a restart to take them up; the message says which and why.',
  ),
  KafkaUnavailable: bad('passes', REASON_TEXTS.KafkaUnavailable),
  ConnectAlsoSubscribes: bad(
    'we',
    "connect's own NATS_SYNC_SUBSCRIBERS is set, so it would replay the same messages a second time. Remove it from the " +
      'workload; make an LfhSyncPeer of each server in it.',
  ),
  WorkloadMissing: bad('we', 'The workload in `spec.connect.workloadRef` is not there. Make it, or correct the name.'),
  Conflict: bad(
    'we',
    'Somebody else owns fields of the workload that the sidecar needs, or an older LfhSyncNode has the same workload; the ' +
      'message says which.',
  ),
  MissingReference: bad('we', 'A Secret that `spec.kafka` names is not there, or lacks the key. Make it.'),
} as const;

/** Ready tells of one of the others, so their reasons are its own as well. */
const READY = {
  AllReady: fine('All is as asked for.'),
  Reconciling: unknown('passes', 'Was not looked at yet. If it stays: is the operator running?'),
} as const;

const PEER = ['LfhSyncPeer'] as const;
const NODE = ['LfhSyncNode'] as const;
const BOTH = ['LfhSyncNode', 'LfhSyncPeer'] as const;

/** Every condition: whose it is, what it being True means, and its reasons. */
export const CONDITIONS = {
  ReceiveReady: { of: PEER, meaning: 'What the peer takes in arrives here.', reasons: RECEIVE },
  SendReady: { of: PEER, meaning: 'What we take in can be fetched by the peer, and is.', reasons: SEND },
  KeyReady: { of: NODE, meaning: 'There is a key to sign in with.', reasons: KEY },
  NatsConfigLive: {
    of: NODE,
    meaning: 'Every nats-server of ours runs the configuration that lets the peers in.',
    reasons: NATS_CONFIG,
  },
  SidecarReady: { of: NODE, meaning: 'The sidecars are there and work.', reasons: SIDECAR },
  Ready: {
    of: BOTH,
    meaning:
      'All of the above. Otherwise it has the reason and the message of the worst of them: False before Unknown.',
    reasons: READY,
  },
  Reconciling: {
    of: BOTH,
    meaning: 'Something is not as asked for, and passes by itself. Only there while it is so; has that reason.',
    reasons: {},
  },
  Stalled: {
    of: BOTH,
    meaning: 'Somebody has to do something here before it goes on. Only there while it is so; has that reason.',
    reasons: {},
  },
} as const;

export type ConditionType = keyof typeof CONDITIONS;

type Reasons = { readonly [Type in ConditionType]: keyof (typeof CONDITIONS)[Type]['reasons'] };

/** The reasons that a condition may have. */
export type ReasonOf<Type extends ConditionType> = Type extends 'Ready' | 'Reconciling' | 'Stalled'
  ? Reasons[ConditionType]
  : Reasons[Type];

/** What is listed of a reason, undefined where it is not: such as one that an older version has written. */
export function reasonEntry(type: string, reason: string): ReasonEntry | undefined {
  const conditions: Readonly<Record<string, { readonly reasons: Readonly<Record<string, ReasonEntry>> }>> = CONDITIONS;
  return conditions[type]?.reasons[reason];
}

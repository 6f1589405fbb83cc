import { REASON_TEXTS, type Reason } from '../../common/contract/reasons.ts';
import { bad, badOrUnknown, type EndedBy, fine, type ReasonEntry, TRUST, unknown } from './reason-entry.ts';

/** The reasons of a peer's conditions. */

/** The reasons that sidecars report. Most of their texts are in the contract with the sidecar. */
function sidecarReasons(): Record<Exclude<Reason, 'Replaying' | 'Paused' | 'NotOwned'>, ReasonEntry> {
  const says = (endedBy: EndedBy, reason: Reason): ReasonEntry => bad(endedBy, REASON_TEXTS[reason]);
  return {
    Starting: says('passes', 'Starting'),
    NotTrusted: bad(
      'we',
      "The peer's certificate is not from a CA in its `spec.ca`, or, without one, not from a CA that everybody knows. Ask its " +
        'administrator for the CA, or for the new invitation.',
    ),
    CertificateExpired: bad(
      'peer',
      "A certificate has expired; the message says which. If it is that of the peer's server, its administrator must renew it. If " +
        'it is in `spec.ca`, put the new one there, and keep the old one while both are in use.',
    ),
    CertificateNotYetValid: bad(
      'passes',
      "A certificate of the peer's server or in `spec.ca` is not valid yet; the message says which. Compare the clocks.",
    ),
    HostNameMismatch: says('we', 'HostNameMismatch'),
    TlsRequired: says('peer', 'TlsRequired'),
    ClientCertificateRequired: bad(
      'peer',
      "The peer's server demands a client certificate, and lfh-sync has none: it signs in with its key. The peer's administrator " +
        'must remove `verify` (or `verify_and_map`) from the `tls` block of that server.',
    ),
    ServerTooOld: says('peer', 'ServerTooOld'),
    KeyRefused: says('peer', 'KeyRefused'),
    PermissionDenied: says('peer', 'PermissionDenied'),
    Unreachable: says('passes', 'Unreachable'),
    ConsumerMissing: says('peer', 'ConsumerMissing'),
    Throttled: says('passes', 'Throttled'),
    PositionLost: says('we', 'PositionLost'),
    StreamRecreated: says('passes', 'StreamRecreated'),
    StreamDiverged: says('we', 'StreamDiverged'),
    ChainBroken: says('passes', 'ChainBroken'),
    KafkaUnavailable: says('passes', 'KafkaUnavailable'),
    KafkaRefused: says('we', 'KafkaRefused'),
    TopicNotCompacted: says('we', 'TopicNotCompacted'),
    Fenced: says('passes', 'Fenced'),
    UncertainCommit: says('passes', 'UncertainCommit'),
    InternalError: says('we', 'InternalError'),
    InvalidSettings: says('we', 'InvalidSettings'),
  };
}

const EITHER_DIRECTION = {
  InternalError: bad(
    'we',
    'The operator could not plan this peer, for an error that nobody has foreseen: it is neither let in nor replayed, and what it had is ' +
      'being ended. Other peers go on. Report the message, and the stack in the log of the operator, to the makers of lfh-sync.',
  ),
  Conflict: bad(
    'we',
    'An older peer has the same lfhId or public key, and keeps its access: delete one of them, or ask whose it is. Or the older ' +
      'peers of the node leave no room for this one in a ConfigMap. The message says which.',
  ),
  NodeMissing: bad('we', 'There is no LfhSyncNode with the name in `spec.nodeRef`. Make it, or correct the name.'),
  NodeNotReady: badOrUnknown('passes', 'Its LfhSyncNode has a problem. Look at the conditions of that.'),
  Deleting: bad(
    'we',
    'The peer is being deleted, but a finalizer of somebody else keeps it; `metadata.finalizers` says whose. Its replay and its access are ' +
      'being ended: SidecarReady and NatsConfigLive of the node say whether sidecars and nats-servers have taken that up.',
  ),
  AwaitingPeer: bad(
    'peer',
    "The other side has not applied our invitation yet. Send it the syncpeer.yaml of the ConfigMap in the node's " +
      '`status.invitation`.',
  ),
} as const;

/** The reasons of ReceiveReady. */
export const RECEIVE = {
  Replaying: fine(REASON_TEXTS.Replaying),
  NotRequested: fine('`spec.servers` is empty, so nothing is received from this peer.'),
  Paused: fine('`spec.receive.paused` is true. What the peer has for us waits there.'),
  ...EITHER_DIRECTION,
  InvalidSpec: bad('we', 'The sidecars cannot take a value of the spec; the message says which. Correct it.'),
  MessagesRejected: bad(
    'peer',
    'The newest messages of the peer were all rejected, three or more in a row, and none was replayed since. They are in ' +
      'LFH_EXCEPTION. The message says how many, the commonest reason and what to do. It is `Stalled` where that is a setting of ours.',
  ),
  Lagging: bad(
    'we',
    'Messages wait at the peer, and none was replayed for a while although the sidecar is connected. Look at the log of the ' +
      'sidecar, and at Kafka.',
  ),
  NoReport: unknown(
    'passes',
    'No sidecar has reported on this peer lately. Passes within seconds if a sidecar is taking it over. If it stays, look at the ' +
      'condition SidecarReady of the node.',
  ),
  SettingsNotLive: unknown(
    'passes',
    'The sidecar that has the replay of this peer does not run with the newest settings of it, so nothing that it does is known to be as ' +
      '`spec` asks. A mounted ConfigMap takes up to a minute. It is `Stalled` after two: then look at the conditions SidecarReady and ' +
      'NatsConfigLive of the node.',
  ),
  ...TRUST,
  ...sidecarReasons(),
} as const;

/** The reasons of SendReady. */
export const SEND = {
  Pulling: fine('The peer is connected and fetches.'),
  Delivering: fine(
    '`spec.send.client` is Connect, and connect at the peer is subscribed and is handed what we have for it.',
  ),
  NotRequested: fine(
    '`spec.publicKeys` is empty, so the peer may not receive from us. No nats-server of this node lets it in, as was seen there.',
  ),
  Paused: fine('`spec.send.paused` is true. No nats-server of this node lets the peer in, as was seen there.'),
  ...EITHER_DIRECTION,
  ConfigNotLive: bad(
    'passes',
    'Not every nats-server of this node runs what `spec` asks for: one does not let the peer in yet, or, where it is paused or has no ' +
      'key any more, may still let it in. The message says which. Look at the condition NatsConfigLive of the node.',
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
  ConsumerMissing: bad(
    'passes',
    "The peer's durable consumer does not exist yet, or was removed. The operator makes it.",
  ),
  ConsumerRefused: bad(
    'we',
    "Our nats-server does not take the peer's durable consumer, by a limit of the server, the account or the stream; the message is the " +
      "server's own. Raise that limit (docs/operations.md says which are needed). It is tried again once a minute.",
  ),
  ClientNotSupported: bad(
    'we',
    '`spec.send.client` is Connect, and the node has `nats.isolation: Users`: connect can receive only in an account of its own. The ' +
      'peer is not let in. Set the isolation to Accounts, or the client to Sidecar.',
  ),
  NotSubscribed: bad(
    'peer',
    'The connect at the peer was subscribed before and is not any more. It does not come back by itself, so its administrator must ' +
      'start it again. What it has not got waits here for as long as our stream keeps it.',
  ),
  StreamBehindPeer: bad(
    'we',
    'The peer has acknowledged more messages than our stream holds. The stream was restored from an older copy, or has lost its end ' +
      'in a power cut, and the peer may skip what is announced until it has as many again. A person decides: docs/operations.md says what ' +
      'there is to choose from.',
  ),
  NoPull: bad(
    'peer',
    'The peer has fetched before and has stopped. Ask its administrator. What it has not fetched waits here for as long as our ' +
      'stream keeps it.',
  ),
  Flooding: bad(
    'peer',
    'The peer sends far more requests to our nats-server than a sidecar does, by a fault or on purpose. Nothing is taken from it by ' +
      'itself. Ask its administrator, and look at the load of nats-server. `spec.send.paused: true` takes its access away, and what it ' +
      'has not fetched waits.',
  ),
  ConnectionsUsedUp: bad(
    'peer',
    'The peer has as many connections to our nats-server as it may have, so its sidecars may be refused, and so is our probe. Those that ' +
      'were cut off are counted for some 6 minutes. If it stays, ask its administrator whether something else signs in with its key.',
  ),
  Lagging: bad(
    'peer',
    'Messages wait for the peer, and it has acknowledged none for a while. Ask its administrator to look at its sidecar.',
  ),
  MessagesExpired: bad(
    'peer',
    'Our stream has dropped messages that the peer had not read, and they are lost to it. Inform its administrator, and raise the ' +
      "stream's max_age or limits.",
  ),
  InvalidSpec: bad(
    'we',
    'No entry of `spec.publicKeys` is a public key; the message says what is wrong. Copy it again, all 56 characters.',
  ),
  PublishedKey: bad(
    'peer',
    "LinuxForHealth publishes the peer's key with its seed, so anybody could sign in as this peer. It is not let in: " +
      'it needs a key of its own.',
  ),
} as const;

import { durableConfig } from '../../../../../common/contract/durable.ts';
import { REASONS } from '../../../../../common/contract/reasons.ts';
import type { CaSource, Condition } from '../../../../../operator/api/types.ts';
import type {
  DataPlane,
  DurableAttempts,
  Observed,
  PeerAccess,
  PeerObject,
} from '../../../../../operator/plan/observed/observed.ts';
import { orphanStatus, peerStatus } from '../../../../../operator/plan/status/status.ts';
import type { KeyStep } from '../../../../../operator/plan/trust/node-key.ts';
import {
  aNode,
  aPeer,
  certificate,
  durableOf,
  type Known,
  knownOf,
  NOW,
  natsOf,
  observedOf,
  PUBLISHED_KEY,
  peerReport,
  settledPlanOf,
  sidecarOf,
  USE,
  userKey,
  wellFor,
} from '../fixtures.ts';
import { type Case, type ConditionRow, rowsIn } from './condition-rows.ts';

/** Every situation in which a reconcile can find a peer, with the condition that it must lead to. */

export interface Situation {
  readonly peer?: PeerObject;
  readonly observed?: Partial<Observed>;
  readonly dataPlane?: Partial<DataPlane>;
  readonly known?: Partial<Known>;
  readonly step?: KeyStep;
  /** The id of a peer whose planning throws. */
  readonly bug?: string;
}

export const B = aPeer('b');
/** A moment longer than anything may stand still. */
export const LONG_AGO = { mark: 0, since: NOW - 61_000 };
export const JUST_NOW = { mark: 0, since: NOW - 59_000 };

/** The conditions of a peer where everything is well but for what the situation says. */
export function conditionsIn({
  peer = B,
  observed,
  dataPlane,
  known,
  step = USE,
  bug,
}: Situation): readonly Condition[] {
  const plan = settledPlanOf(observedOf([peer], observed), bug);
  const well = wellFor([peer]);
  const planned = plan.peers.find(({ peer: { metadata } }) => metadata.name === peer.metadata.name);
  if (!planned) throw new Error('the peer is not planned');
  const status = peerStatus(planned, {
    plan,
    keyStep: step,
    dataPlane: { ...well.dataPlane, ...dataPlane },
    ...well.known,
    ...known,
    now: NOW,
  });
  return status.conditions ?? [];
}

export const progress = (received: typeof LONG_AGO, sent: typeof LONG_AGO): Partial<Known> => ({
  progress: new Map([['b', { received, sent }]]),
});

export const rows = rowsIn(conditionsIn);

const withCa = (ca: CaSource): Situation => ({ peer: aPeer('b', { spec: { ca } }) });
export const reports = (changes: Parameters<typeof peerReport>[1]): Situation => ({
  dataPlane: { sidecars: [sidecarOf([peerReport('b', changes)])] },
});
const older = aPeer('older', {
  spec: { lfhId: 'b', publicKeys: [userKey('older')] },
  metadata: { creationTimestamp: '2026-11-01T00:00:00Z' },
});
export const inConflict = (peer: PeerObject): Situation => ({ peer, observed: { peers: [older, peer] } });
const ORPHAN: ConditionRow['conditions'] = () => orphanStatus(B, 'local', NOW).conditions ?? [];
const OTHER_SERVERS: Situation = { observed: { otherNodes: [aNode({ metadata: { name: 'a', namespace: 'aa' } })] } };
const withOlderNode: Situation = {
  observed: {
    otherNodes: [
      aNode({
        spec: { nats: { servers: ['tls://nats.lfh'] } },
        metadata: { name: 'other', creationTimestamp: '2026-01-01T00:00:00Z' },
      }),
    ],
  },
};
const KEY_LOST: Situation = { step: { step: 'stop', reason: 'KeyLost', message: 'the Secret is gone' } };

const KEPT_FROM_SIDECAR = REASONS.filter(
  (reason) => reason !== 'Replaying' && reason !== 'Paused' && reason !== 'NotOwned',
);

export const RECEIVE_ROWS: readonly ConditionRow[] = [
  ...rows('ReceiveReady', [
    [
      'planning it ends in a bug',
      'False',
      'InternalError',
      { bug: 'b' },
      /could not plan this peer: b is one too many/,
    ],
    ['planning another peer ends in a bug', 'True', 'Replaying', { observed: { peers: [B, aPeer('c')] }, bug: 'c' }],
    ['all is well', 'True', 'Replaying', {}, /^from tls:\/\/b\.example\.org/],
    [
      "the certificate of the peer's server expires within 30 days",
      'True',
      'Replaying',
      reports({ certificateExpires: '2026-12-24T12:00:00.000Z' }),
      /^from tls.*; the certificate of the peer's server, or one above it, expires on 2026-12-24T12/,
    ],
    [
      "the certificate of the peer's server expires later",
      'True',
      'Replaying',
      reports({ certificateExpires: '2026-12-26T12:00:00.000Z' }),
      /^[^;]*$/,
    ],
    ['another node has other servers', 'True', 'Replaying', OTHER_SERVERS],
    [
      'messages wait, and one was replayed a moment ago',
      'True',
      'Replaying',
      { ...reports({ lag: 5 }), known: progress(JUST_NOW, JUST_NOW) },
    ],
    ['messages wait and it is not known since when', 'True', 'Replaying', reports({ lag: 5 })],
    ['nothing waits, for however long', 'True', 'Replaying', { known: progress(LONG_AGO, LONG_AGO) }],
    [
      'it is not known whether messages wait',
      'True',
      'Replaying',
      { ...reports({ lag: null }), known: progress(LONG_AGO, JUST_NOW) },
    ],
    [
      'messages wait, and none was replayed for long',
      'False',
      'Lagging',
      { ...reports({ lag: 5 }), known: progress(LONG_AGO, JUST_NOW) },
      /^5 messages wait/,
    ],
    ['no server is named', 'True', 'NotRequested', { peer: aPeer('b', { spec: { servers: undefined } }) }],
    ['no server is named, in conflict', 'True', 'NotRequested', inConflict(aPeer('b', { spec: { servers: [] } }))],
    ['it is paused', 'True', 'Paused', { peer: aPeer('b', { spec: { receive: { paused: true } } }) }],
    [
      'it is paused, whatever its CA',
      'True',
      'Paused',
      { peer: aPeer('b', { spec: { receive: { paused: true }, ca: { inline: '' } } }) },
    ],
    ['an older peer has its id', 'False', 'Conflict', inConflict(B), /older peer older/],
    [
      'an older peer has its id, and it is paused',
      'False',
      'Conflict',
      inConflict(aPeer('b', { spec: { receive: { paused: true } } })),
    ],
    ['no sidecar was asked', 'Unknown', 'NoReport', { dataPlane: { sidecars: undefined } }],
    ['no sidecar answers', 'Unknown', 'NoReport', { dataPlane: { sidecars: [] } }, /no sidecar of this node reports/],
    [
      'no sidecar knows the peer',
      'Unknown',
      'NoReport',
      { dataPlane: { sidecars: [sidecarOf([])] } },
      /taken up this peer yet/,
    ],
    ['a sidecar reports on another of that name', 'Unknown', 'NoReport', reports({ lfhId: 'was-b' })],
    [
      'no sidecar replays it',
      'Unknown',
      'NoReport',
      reports({ owned: false, reason: 'NotOwned' }),
      /one takes it over/,
    ],
    ['a sidecar still thinks it is paused', 'Unknown', 'NoReport', reports({ reason: 'Paused' })],
    [
      'no sidecar could take a value of it',
      'False',
      'InvalidSpec',
      { peer: aPeer('b', { spec: { receive: { startFrom: { policy: 'Time', time: '2026-11-24T08:00:00+99:99' } } } }) },
      /^spec\.startFrom\.time: expected a time/,
    ],
    [
      'its CA is a bundle of every CA',
      'False',
      'CertificateInvalid',
      withCa({ inline: certificate('ca-b').repeat(200) }),
      /KiB, and 64 are the limit/,
    ],
    ['its CA is not PEM', 'False', 'CertificateInvalid', withCa({ inline: 'x' }), /^spec\.ca\.inline holds no PEM/],
    ['its CA has expired', 'False', 'CertificateExpired', withCa({ inline: certificate('ca-expired') })],
    ['its CA is not valid yet', 'False', 'CertificateNotYetValid', withCa({ inline: certificate('ca-not-yet') })],
    [
      'its CA is not a certificate authority',
      'False',
      'NotACertificateAuthority',
      withCa({ inline: certificate('no-ca') }),
    ],
    [
      'a private key was pasted as its CA',
      'False',
      'PrivateKeyPasted',
      withCa({ inline: '-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n' }),
    ],
    [
      'the Secret with its CA does not exist',
      'False',
      'MissingReference',
      withCa({ secretRef: { name: 'b-ca' } }),
      /no Secret b-ca/,
    ],
    [
      'one CA of two has expired',
      'True',
      'Replaying',
      withCa({ inline: certificate('ca-expired') + certificate('ca-b') }),
      /; spec\.ca\.inline, block 1 .*expired/,
    ],
    [
      'the node has a problem',
      'False',
      'NodeNotReady',
      withOlderNode,
      /^its LfhSyncNode: LfhSyncNode lfh\/other has the same nats-server/,
    ],
    ['the node has no key', 'Unknown', 'NodeNotReady', KEY_LOST, /^the node's key: the Secret is gone/],
    ['the peer does not know our key yet', 'False', 'AwaitingPeer', reports({ reason: 'KeyRefused', position: null })],
    [
      'the peer has made no durable yet',
      'False',
      'AwaitingPeer',
      reports({ reason: 'ConsumerMissing', position: null }),
    ],
    [
      'the peer does not let us pull yet',
      'False',
      'AwaitingPeer',
      reports({ reason: 'PermissionDenied', position: null }),
    ],
    [
      'the peer does not know our key any more, as the status remembers',
      'False',
      'KeyRefused',
      {
        peer: aPeer('b', { status: { receive: { position: 7 } } }),
        ...reports({ reason: 'KeyRefused', position: null }),
      },
    ],
    [
      'it was never replayed, for another reason',
      'False',
      'NotTrusted',
      reports({ reason: 'NotTrusted', position: null }),
    ],
    [
      'its server demands a client certificate before anything was replayed',
      'False',
      'ClientCertificateRequired',
      reports({ reason: 'ClientCertificateRequired', position: null }),
    ],
    ...KEPT_FROM_SIDECAR.map(
      (reason): Case<Situation> => [
        `a sidecar says ${reason}`,
        'False',
        reason,
        reports({ reason, message: 'why' }),
        /^why$/,
      ],
    ),
  ]),
  {
    what: 'its node is not there',
    type: 'ReceiveReady',
    status: 'False',
    reason: 'NodeMissing',
    conditions: ORPHAN,
    says: /LfhSyncNode local/,
  },
];

export const durable = (
  changes: Parameters<typeof durableOf>[1],
  more: Parameters<typeof natsOf>[1] = {},
): Situation => ({
  dataPlane: { nats: natsOf([durableOf('b', changes)], more) },
});
const attemptsFor = (lfhId: string, lasting: boolean): DurableAttempts => {
  const wanted = durableConfig(lfhId);
  const refusal = { message: 'maximum consumers limit reached (10026)', lasting };
  return new Map([[wanted.durable_name, { wanted, found: undefined, at: NOW, refusal }]]);
};
const refusedDurable = (lfhId: string, lasting: boolean): Situation => ({
  dataPlane: { nats: natsOf([], { durableAttempts: attemptsFor(lfhId, lasting) }) },
});
const keys = (publicKeys: readonly string[]): Situation => ({ peer: aPeer('b', { spec: { publicKeys } }) });
const DAMAGED = `U${'A'.repeat(55)}`;
export const NEVER = durable({ lastActive: null, waiting: 0 });
const seenAs = (access: Partial<PeerAccess>, messagesPerSecond?: number, at = NOW): Situation => {
  const served = { served: true, connectedKeys: [], ...access };
  return {
    known: { ...wellFor([B]).known, accesses: new Map([['b', { access: served, at, messagesPerSecond }]]) },
  };
};
const NO_DURABLE: Situation = { dataPlane: { nats: natsOf([]) } };
export const notServed = { access: { served: false, connectedKeys: [] }, at: NOW };

/** Nothing of the last hour is fetched, of a stream that keeps messages for so many minutes. */
const fetchedNothing = (minutes: number): Situation => ({
  ...durable({ pending: 9, waiting: 0 }, { streamMaxAge: minutes * 60_000 }),
  known: {
    ...wellFor([B]).known,
    progress: new Map([
      ['b', { received: JUST_NOW, sent: LONG_AGO, fetched: { upTo: NOW - 3_600_000, all: false, mark: undefined } }],
    ]),
  },
});

export const SEND_ROWS: readonly ConditionRow[] = [
  ...rows('SendReady', [
    [
      'what it has not fetched will soon expire',
      'False',
      'NoPull',
      fetchedNothing(70),
      /; the stream may drop messages that it has not fetched from 2026-11-25T12:10:00\.000Z on$/,
    ],
    ['what it has not fetched will not expire soon', 'False', 'NoPull', fetchedNothing(90), /^[^;]*$/],
    ['planning it ends in a bug', 'False', 'InternalError', { bug: 'b' }],
    ['all is well', 'True', 'Pulling', {}, /has everything/],
    [
      'the peer is fetching',
      'True',
      'Pulling',
      { ...durable({ pending: 9 }), known: { ...wellFor([B]).known, ...progress(JUST_NOW, JUST_NOW) } },
      /fetching 9 messages/,
    ],
    ['the peer was away for a moment', 'True', 'Pulling', durable({ waiting: 0 })],
    ['the peer sends as much as it may', 'True', 'Pulling', seenAs({}, 2_000)],
    ['the peer floods', 'False', 'Flooding', seenAs({}, 2_001.4), /sent 2001 requests a second.*send\.paused/],
    ['the peer floods, without a durable', 'False', 'Flooding', { ...seenAs({}, 9_000), ...NO_DURABLE }],
    ['it was not seen for a while', 'Unknown', 'NatsUnreachable', seenAs({}, 0, NOW - 301_000), /not be seen since/],
    ['the peer has all connections', 'False', 'ConnectionsUsedUp', seenAs({ full: true }), /all 32 connections/],
    ['no key is named', 'True', 'NotRequested', { peer: aPeer('b', { spec: { publicKeys: undefined } }) }],
    ['no key is named, in conflict', 'True', 'NotRequested', inConflict(aPeer('b', { spec: { publicKeys: [] } }))],
    ['an older peer has its id', 'False', 'Conflict', inConflict(B)],
    ['it is paused', 'True', 'Paused', { peer: aPeer('b', { spec: { send: { paused: true } } }) }],
    ['its key is damaged', 'False', 'InvalidSpec', keys([DAMAGED]), /^spec\.publicKeys\[0\] is damaged/],
    [
      'its key is published',
      'False',
      'PublishedKey',
      keys([PUBLISHED_KEY]),
      /^spec\.publicKeys\[0\] is a key that LinuxForHealth publishes/,
    ],
    [
      'one of two keys is published',
      'True',
      'Pulling',
      keys([userKey('b'), PUBLISHED_KEY]),
      /has everything; spec\.publicKeys\[1\] is a key that/,
    ],
    [
      'a server does not let it in yet',
      'False',
      'ConfigNotLive',
      {
        dataPlane: {
          nats: natsOf([durableOf('b')], { servers: [{ server: 'n', outcome: 'ConfigNotLive', message: 'older' }] }),
        },
      },
    ],
    [
      'no server is found',
      'False',
      'ConfigNotLive',
      { dataPlane: { nats: natsOf([durableOf('b')], { servers: [] }) } },
    ],
    ['NATS was not asked', 'False', 'ConfigNotLive', { dataPlane: { nats: undefined } }],
    [
      'JetStream does not answer',
      'Unknown',
      'NatsUnreachable',
      { dataPlane: { nats: { ...natsOf(), durables: undefined, problem: 'no answer' } } },
      /^no answer$/,
    ],
    [
      'JetStream was not asked',
      'Unknown',
      'NatsUnreachable',
      { dataPlane: { nats: { ...natsOf(), durables: undefined } } },
    ],
    [
      'JetStream stops answering before it has said where the stream ends',
      'Unknown',
      'NatsUnreachable',
      { dataPlane: { nats: natsOf([durableOf('b')], { streamLast: undefined, problem: 'no answer' }) } },
      /^no answer$/,
    ],
    ['there is no stream', 'False', 'StreamMissing', { dataPlane: { nats: natsOf([], { streamFirst: undefined }) } }],
    [
      'its durable is not there yet',
      'False',
      'ConsumerMissing',
      { dataPlane: { nats: natsOf([durableOf('c')]) } },
      /is being made/,
    ],
    [
      'its durable cannot be made',
      'False',
      'ConsumerMissing',
      { dataPlane: { nats: natsOf([], { problem: 'no space' }) } },
      /^no space$/,
    ],
    [
      'messages expired that it had not read',
      'False',
      'MessagesExpired',
      durable({ ackFloor: 70 }, { streamFirst: 72 }),
      /begins at 72.*up to 70/,
    ],
    [
      'it has acknowledged more than the stream holds',
      'False',
      'StreamBehindPeer',
      durable({ ackFloor: 71 }),
      /acknowledged 71, and the stream EVENTS ends at 70/,
    ],
    ['it has acknowledged everything in the stream', 'True', 'Pulling', durable({ ackFloor: 70 })],
    ['the end of the stream is not known', 'True', 'Pulling', durable({ ackFloor: 71 }, { streamLast: undefined })],
    [
      'its durable is refused by a limit',
      'False',
      'ConsumerRefused',
      refusedDurable('b', true),
      /^maximum consumers limit reached/,
    ],
    ['its durable is refused for now', 'False', 'ConsumerMissing', refusedDurable('b', false), /^maximum consumers/],
    [
      "another peer's durable is refused by a limit",
      'True',
      'Pulling',
      { dataPlane: { nats: { ...natsOf([durableOf('b')]), durableAttempts: attemptsFor('c', true) } } },
    ],
    [
      'the stream begins just behind what it has read',
      'True',
      'Pulling',
      durable({ ackFloor: 70 }, { streamFirst: 71 }),
    ],
    [
      'it has read nothing of a stream whose first messages are gone',
      'True',
      'Pulling',
      durable({ ackFloor: 0 }, { streamFirst: 72 }),
    ],
    ['nobody has looked into its account', 'False', 'ConfigNotLive', { known: knownOf() }, /second reload/],
    [
      'its pulls do not arrive',
      'False',
      'ConfigNotLive',
      { known: knownOf({ accesses: new Map([['b', notServed]]) }) },
    ],
    ['it has never asked for a message', 'False', 'AwaitingPeer', NEVER],
    ['it asks for its first message', 'True', 'Pulling', durable({ lastActive: null, waiting: 1 })],
    [
      'it has not asked since the operator started, though it had before',
      'True',
      'Pulling',
      { ...NEVER, peer: aPeer('b', { status: { send: { lastPullTime: '2026-11-25T11:00:00Z' } } }) },
    ],
    [
      'it has stopped asking',
      'False',
      'NoPull',
      { ...durable({ waiting: 0 }), known: { ...wellFor([B]).known, ...progress(JUST_NOW, LONG_AGO) } },
      /since 2026-11-25T11:58:59\.000Z/,
    ],
    [
      'it asks, but acknowledges nothing',
      'False',
      'Lagging',
      { ...durable({ pending: 9 }), known: { ...wellFor([B]).known, ...progress(JUST_NOW, LONG_AGO) } },
      /^9 messages wait/,
    ],
    [
      'it asks, and has everything, for however long',
      'True',
      'Pulling',
      { known: { ...wellFor([B]).known, ...progress(JUST_NOW, LONG_AGO) } },
    ],
    ['the node has a problem', 'False', 'NodeNotReady', withOlderNode],
    ['the node has no key', 'Unknown', 'NodeNotReady', KEY_LOST],
  ]),
  { what: 'its node is not there', type: 'SendReady', status: 'False', reason: 'NodeMissing', conditions: ORPHAN },
];

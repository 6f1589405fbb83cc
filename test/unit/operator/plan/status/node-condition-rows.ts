import type { CaSource, Condition } from '../../../../../operator/api/types.ts';
import type { InjectionRefusal } from '../../../../../operator/plan/injection/injection.ts';
import type {
  DataPlane,
  KeyReading,
  NodeObject,
  Observed,
  PeerObject,
  ServerReport,
} from '../../../../../operator/plan/observed/observed.ts';
import { failedNodeStatus } from '../../../../../operator/plan/status/failed.ts';
import { nodeStatus } from '../../../../../operator/plan/status/status.ts';
import { type KeyStep, keyRefused, keyStep } from '../../../../../operator/plan/trust/node-key.ts';
import {
  aKey,
  aNode,
  aPeer,
  certificate,
  HOUR_MS,
  type Known,
  knownOf,
  NOW,
  natsOf,
  OWN_KEY,
  observedOf,
  PUBLISHED_KEY,
  planOf,
  references,
  settledPlanOf,
  sidecarOf,
  USE,
  userKey,
} from '../fixtures.ts';
import { type ConditionRow, rowsIn } from './condition-rows.ts';

/** Every situation in which a reconcile can find a node, with the condition that it must lead to. */

interface Situation {
  readonly node?: NodeObject;
  readonly observed?: Partial<Observed>;
  readonly dataPlane?: Partial<DataPlane>;
  readonly known?: Partial<Known>;
  readonly step?: KeyStep;
  /** The first of two reloads is awaited. */
  readonly first?: boolean;
}

const B = aPeer('b');
const refusedKey = (has: boolean) => ({ step: keyRefused(aNode(), undefined, has, 'no rights') });
const { nats, kafka } = aNode().spec;

/** The conditions of a node where everything is well but for what the situation says. */
function conditionsIn({
  node = aNode(),
  observed,
  dataPlane,
  known,
  step = USE,
  first,
}: Situation): readonly Condition[] {
  const all = observedOf([B], { node, ...observed });
  const plan = first ? planOf(all) : settledPlanOf(all);
  const well: DataPlane = { nats: natsOf(), sidecars: [sidecarOf([])] };
  const status = nodeStatus(all, [], {
    plan,
    keyStep: step,
    dataPlane: { ...well, ...dataPlane },
    ...knownOf(known),
    now: NOW,
  });
  return status.conditions ?? [];
}

const rows = rowsIn(conditionsIn);

const withCa = (ca: CaSource): Situation => ({ node: aNode({ spec: { nats: { ...nats, ca } } }) });
const withKafkaCa = (ca: CaSource): Situation => ({ node: aNode({ spec: { kafka: { ...kafka, tls: true, ca } } }) });
const withNats = (changes: Partial<NodeObject['spec']['nats']>): Situation => ({
  node: aNode({ spec: { nats: { ...nats, ...changes } } }),
});
const servers = (...outcomes: readonly ServerReport['outcome'][]): Situation => ({
  dataPlane: {
    nats: natsOf([], {
      servers: outcomes.map((outcome, index) => ({ server: `n${index}`, outcome, message: `n${index}: ${outcome}` })),
    }),
  },
});
/** All run it, and their certificates expire in so many days. */
const certificates = (...days: readonly number[]): Situation => {
  const expiry = days.map((each) => NOW + each * 24 * 3_600_000);
  const live = { server: 'n', outcome: 'Live', message: 'n: Live' } as const;
  const servers = expiry.map((certificateExpires) => ({ ...live, certificateExpires }));
  return { dataPlane: { nats: natsOf([], { servers }) } };
};
const waited = (minutes: number): Pick<Situation, 'known'> => ({ known: { writtenAt: NOW - minutes * 60_000 } });
const absent = { ...withNats({ workloadRef: { name: 'nats' } }), known: { missing: new Set(['StatefulSet/nats']) } };

const withKey = (node: NodeObject, key: Observed['key'], inUse: readonly string[] = []): Situation => ({
  node,
  observed: { key },
  step: keyStep(node, key, inUse, NOW),
});
const accepting = (name: string, key: string): PeerObject => aPeer(name, { status: { receive: { key } } });
const reading = (publicKey: string): KeyReading => ({ publicKey, published: publicKey === PUBLISHED_KEY });
const brings = aNode({ spec: { key: { secretRef: { name: 'mine' } } } });
const rotated = aKey({
  previous: reading(userKey('before')),
  rotation: 1,
  rotatedAt: new Date(NOW - HOUR_MS).toJSON(),
});

/** A condition of a node whose reconciles fail again and again, though all was well before. */
const failing = (type: Condition['type']): ConditionRow => ({
  what: 'its reconciles fail',
  type,
  status: 'Unknown',
  reason: 'ReconcileFailed',
  conditions: () =>
    failedNodeStatus(aNode({ status: { conditions: conditionsIn({}) } }), 'no answer', NOW).conditions ?? [],
  says: /^the last reconciles failed: no answer$/,
});

export const KEY_ROWS: readonly ConditionRow[] = [
  failing('KeyReady'),
  ...rows('KeyReady', [
    ['the operator has made a key', 'True', 'KeyMade', withKey(aNode(), aKey())],
    ['the key was brought', 'True', 'KeyBrought', withKey(brings, aKey({ secret: 'mine' }))],
    ['the key is being replaced', 'True', 'Rotating', withKey(aNode({ spec: { key: { rotation: 1 } } }), rotated)],
    ['the key is being made', 'Unknown', 'Reconciling', withKey(aNode(), undefined)],
    [
      'a peer accepts only a key that has ended',
      'True',
      'KeyMade',
      { ...withKey(aNode(), aKey()), observed: { key: aKey(), peers: [accepting('c', userKey('ended')), B] } },
      /last seen to accept only a key that has ended, and need the invitation: c$/,
    ],
    [
      'each peer accepts the key in force or the previous one',
      'True',
      'Rotating',
      {
        ...withKey(aNode({ spec: { key: { rotation: 1 } } }), rotated),
        observed: { key: rotated, peers: [accepting('b', OWN_KEY), accepting('c', userKey('before'))] },
      },
      /^the previous key is accepted until 2026-11-26T11:00:00\.000Z at least$/,
    ],
    ['the key is gone', 'False', 'KeyLost', withKey(aNode({ status: { publicKeys: [OWN_KEY] } }), undefined)],
    ['the key is published', 'False', 'PublishedKey', withKey(aNode(), aKey({ current: reading(PUBLISHED_KEY) }))],
    [
      "connect's user is published",
      'False',
      'PublishedKey',
      withNats({ users: [userKey('admin'), PUBLISHED_KEY] }),
      /^spec\.nats\.users\[1\] is a key that LinuxForHealth publishes/,
    ],
    ['the Secret has no key', 'False', 'InvalidKey', withKey(aNode(), aKey({ current: { problem: 'it has none' } }))],
    ['the Secret is not there', 'False', 'MissingReference', withKey(brings, undefined)],
    ['there is no Secret for the key', 'False', 'SecretMissing', refusedKey(false), /kubectl .*no rights/],
    ['the Secret may not be filled', 'False', 'WriteRefused', refusedKey(true), /no rights/],
  ]),
];

const asked = (changes: Parameters<typeof natsOf>[1]): Situation => ({ dataPlane: { nats: natsOf([], changes) } });

export const STREAM_ROWS: readonly ConditionRow[] = [
  failing('StreamReady'),
  ...rows('StreamReady', [
    ['the stream is there', 'True', 'StreamFound', {}],
    ['there is no stream', 'False', 'StreamMissing', asked({ streamFirst: undefined }), /connect makes it/],
    [
      'there is no stream, and no peer may receive',
      'True',
      'NotRequested',
      { ...asked({ streamFirst: undefined }), observed: { peers: [aPeer('b', { spec: { publicKeys: [] } })] } },
    ],
    [
      'JetStream could not be asked',
      'Unknown',
      'NatsUnreachable',
      asked({ durables: undefined, streamFirst: undefined, problem: 'no JetStream' }),
      /^no JetStream$/,
    ],
    ['no nats-server was asked', 'Unknown', 'NatsUnreachable', { dataPlane: { nats: undefined } }],
  ]),
];

export const NATS_ROWS: readonly ConditionRow[] = [
  failing('NatsConfigLive'),
  ...rows('NatsConfigLive', [
    ['every server runs it', 'True', 'Live', servers('Live', 'Live'), /^2 of 2 nats-servers run/],
    [
      'the certificate of one of them expires within 30 days',
      'True',
      'Live',
      certificates(40, 20),
      /^2 of 2 nats-servers run.*; the certificate of a nats-server of this node, .* expires on 2026-12-15T12/,
    ],
    ['their certificates expire later', 'True', 'Live', certificates(31, 40), /^[^;]*$/],
    ['no nats-server was asked', 'Unknown', 'Reconciling', { dataPlane: { nats: undefined } }],
    ['no server is found', 'False', 'NatsUnreachable', servers(), /spec\.nats\.servers/],
    [
      'no server can be read',
      'False',
      'NatsUnreachable',
      { dataPlane: { nats: natsOf([], { servers: [], problem: 'no URL' }) } },
      /servers: no URL$/,
    ],
    [
      'the spec names an account that NATS does not allow',
      'False',
      'InvalidSpec',
      withNats({ account: 'a b' }),
      /^the NATS account must be/,
    ],
    ['one of the servers cannot be reached', 'False', 'NatsUnreachable', servers('Live', 'Unreachable'), /^n1: /],
    ['one of the servers refuses our key', 'False', 'NatsUnreachable', servers('KeyRefused')],
    [
      'one of the servers runs an older configuration',
      'False',
      'ConfigNotLive',
      servers('Live', 'ConfigNotLive'),
      /^n1: /,
    ],
    [
      'the configuration may not be written',
      'False',
      'WriteRefused',
      { known: { refused: 'no rights' } },
      /^no rights$/,
    ],
    [
      'a server runs an older configuration for two minutes',
      'False',
      'ConfigNotLive',
      { ...servers('ConfigNotLive'), ...waited(2) },
    ],
    [
      'a server runs an older configuration for more than two minutes',
      'False',
      'NatsRefusedConfig',
      { ...servers('ConfigNotLive'), ...waited(3) },
      /3 minutes/,
    ],
    [
      'a server cannot be reached for nine minutes',
      'False',
      'NatsUnreachable',
      { ...servers('Unreachable'), ...waited(9) },
    ],
    [
      'only the first of two reloads is live',
      'False',
      'ConfigNotLive',
      { ...servers('Live'), first: true },
      /second was not/,
    ],
    [
      'there is no authorization',
      'False',
      'NoAuthorization',
      servers('Unreachable', 'ConfigNotLive', 'NoAuthorization'),
      /^n2/,
    ],
    [
      'our files are not included',
      'False',
      'IncludeMissing',
      servers('Unreachable', 'ConfigNotLive', 'IncludeMissing'),
      /^n2/,
    ],
    [
      'one server runs an older configuration and another cannot be reached',
      'False',
      'ConfigNotLive',
      servers('Unreachable', 'ConfigNotLive'),
      /^n1/,
    ],
    ['the certificate of a server is from another CA', 'False', 'NatsNotTrusted', servers('NotTrusted')],
    ['the certificate of a server is for another name', 'False', 'NatsNotTrusted', servers('HostNameMismatch')],
    ['a server does not speak TLS', 'False', 'NatsNotTrusted', servers('TlsRequired')],
    [
      'a server demands a client certificate',
      'False',
      'ClientCertificateRequired',
      servers('ClientCertificateRequired'),
    ],
    ['a server is too old', 'False', 'ServerTooOld', servers('ServerTooOld')],
    ['the certificate of a server has expired', 'False', 'CertificateExpired', servers('CertificateExpired')],
    [
      'the certificate of a server is not valid yet',
      'False',
      'CertificateNotYetValid',
      servers('CertificateNotYetValid'),
    ],
    [
      'the workload of NATS does not exist and a server cannot be reached',
      'False',
      'WorkloadMissing',
      { ...servers('Unreachable'), ...absent },
      /no StatefulSet\/nats .*; n0/,
    ],
    ['the workload of NATS does not exist but every server runs the configuration', 'True', 'Live', absent],
    [
      'an older node has the same servers',
      'False',
      'Conflict',
      {
        observed: {
          otherNodes: [aNode({ metadata: { name: 'older', creationTimestamp: '2026-01-01T00:00:00Z' } })],
        },
      },
      /lfh\/older/,
    ],
    [
      'Kafka does not allow the name of the node',
      'False',
      'InvalidSpec',
      { node: aNode({ metadata: { name: 'a.b' } }) },
      /^metadata\.name/,
    ],
    [
      'there is no key',
      'False',
      'KeyNotReady',
      withKey(aNode(), aKey({ current: { problem: 'it has none' } })),
      /has none/,
    ],
    [
      'an administrator has a damaged key',
      'True',
      'Live',
      withNats({ users: [`U${'A'.repeat(55)}`] }),
      /; spec\.nats\.users\[0\] is damaged/,
    ],
    [
      'an administrator has a published key',
      'True',
      'Live',
      withNats({ users: [PUBLISHED_KEY] }),
      /; spec\.nats\.users\[0\] is a key that/,
    ],
    [
      "an administrator's key is the one that peers' servers are shown",
      'True',
      'Live',
      withNats({ users: [userKey('administrator'), OWN_KEY] }),
      /; spec\.nats\.users\[1\] is the key that this node signs in with at its peers.*: take it out/,
    ],
    ['the CA is not PEM', 'False', 'CertificateInvalid', withCa({ inline: 'x' }), /^spec\.nats\.ca\.inline/],
    [
      'the CA has expired',
      'False',
      'CertificateExpired',
      withCa({ inline: certificate('ca-expired') }),
      /^spec\.nats\.ca/,
    ],
    [
      'one CA of two has expired',
      'True',
      'Live',
      withCa({ inline: certificate('ca-a') + certificate('ca-expired') }),
      /; spec\.nats\.ca\.inline, block 2 .* expired/,
    ],
    ['the CA is not valid yet', 'False', 'CertificateNotYetValid', withCa({ inline: certificate('ca-not-yet') })],
    [
      'the CA is not a certificate authority',
      'False',
      'NotACertificateAuthority',
      withCa({ inline: certificate('no-ca') }),
    ],
    [
      'a private key was pasted as the CA',
      'False',
      'PrivateKeyPasted',
      withCa({ inline: '-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n' }),
    ],
    [
      'the ConfigMap with the CA does not exist',
      'False',
      'MissingReference',
      withCa({ configMapRef: { name: 'our-ca' } }),
      /no ConfigMap our-ca/,
    ],
    ["Kafka's CA has expired", 'True', 'Live', withKafkaCa({ inline: certificate('ca-expired') })],
    ["Kafka's CA is not there", 'True', 'Live', withKafkaCa({ configMapRef: { name: 'none' } })],
  ]),
];

const sasl = { mechanism: 'plain', username: 'us', passwordSecretRef: { name: 'kafka' } } as const;
const withSasl = (secrets: Parameters<typeof references>[1]): Situation => ({
  node: aNode({ spec: { kafka: { ...kafka, sasl } } }),
  observed: { references: references({}, secrets) },
});
const connect = { workloadRef: { name: 'connect' } };
const REMARK = { joined: true, remark: 'one replica' };
const sidecars = (...found: readonly Parameters<typeof sidecarOf>[1][]): Situation => ({
  dataPlane: { sidecars: found.map((changes) => sidecarOf([], changes)) },
});

/** An outcome of the injection; step.test.ts shows when each comes about. */
const refused = (reason: InjectionRefusal['reason']): Situation => ({
  ...sidecars(),
  known: { injection: { workload: undefined, refusal: { reason, message: `because: ${reason}` } } },
});

export const SIDECAR_ROWS: readonly ConditionRow[] = [
  failing('SidecarReady'),
  ...rows('SidecarReady', [
    ['connect subscribes itself', 'False', 'ConnectAlsoSubscribes', refused('ConnectAlsoSubscribes'), /^because: /],
    ['connect calls itself otherwise', 'False', 'LfhIdMismatch', refused('LfhIdMismatch'), /^because: /],
    ['there is no such workload', 'False', 'WorkloadMissing', refused('WorkloadMissing')],
    ["it is not known which container is connect's", 'False', 'ContainerUnknown', refused('ContainerUnknown')],
    ["the workload is another node's", 'False', 'Conflict', refused('Conflict')],
    ['the workload may not be changed', 'False', 'InjectionRefused', refused('InjectionRefused')],
    [
      'its new pods are refused',
      'False',
      'PodsRefused',
      { node: aNode({ spec: { connect } }), ...refused('PodsRefused') },
    ],
    [
      'its new pods are refused, and the old ones report',
      'True',
      'Reporting',
      { ...refused('PodsRefused'), ...sidecars({}) },
    ],
    ['there is no image', 'False', 'NoImage', { node: aNode({ spec: { connect } }), ...refused('NoImage') }],
    [
      'the sidecar was just injected',
      'Unknown',
      'Injected',
      {
        node: aNode({ spec: { connect } }),
        ...sidecars(),
        known: { injection: { workload: 'Deployment/connect', awaited: 'being put in' } },
      },
      /^being put in$/,
    ],
    ['sidecars report', 'True', 'Reporting', sidecars({}, {}), /^2 sidecar\(s\) report$/],
    ['one has a remark', 'True', 'Reporting', sidecars({ kafka: REMARK }, {}), /report\. Remark: one replica$/],
    ['no injection is asked for and no sidecar reports', 'True', 'NotRequested', sidecars()],
    [
      'no sidecar answers',
      'Unknown',
      'NoReport',
      { node: aNode({ spec: { connect } }), ...sidecars() },
      /no sidecar answers there/,
    ],
    ['no sidecar could be asked', 'Unknown', 'NoReport', { dataPlane: { sidecars: undefined } }, /could not be asked/],
    [
      'a sidecar refuses its settings',
      'False',
      'SettingsNotLive',
      sidecars({}, { settings: { state: 'Refused', message: 'why' } }),
      /^why$/,
    ],
    [
      'a sidecar needs a restart',
      'False',
      'SettingsNotLive',
      sidecars({ settings: { state: 'RestartNeeded', message: 'why' } }),
    ],
    ['a sidecar has lost Kafka', 'False', 'KafkaUnavailable', sidecars({}, { kafka: { joined: false, remark: null } })],
    [
      "Kafka's CA has expired",
      'False',
      'CertificateExpired',
      withKafkaCa({ inline: certificate('ca-expired') }),
      /^spec\.kafka\.ca/,
    ],
    [
      "Kafka's CA is not valid yet",
      'False',
      'CertificateNotYetValid',
      withKafkaCa({ inline: certificate('ca-not-yet') }),
    ],
    ["Kafka's CA is not PEM", 'False', 'CertificateInvalid', withKafkaCa({ inline: 'x' })],
    [
      "Kafka's CA is not a certificate authority",
      'False',
      'NotACertificateAuthority',
      withKafkaCa({ inline: certificate('no-ca') }),
    ],
    [
      "a private key was pasted as Kafka's CA",
      'False',
      'PrivateKeyPasted',
      withKafkaCa({ inline: '-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n' }),
    ],
    [
      "Kafka's CA is not there",
      'False',
      'MissingReference',
      withKafkaCa({ configMapRef: { name: 'none' } }),
      /no ConfigMap none/,
    ],
    [
      "one of Kafka's two CAs has expired",
      'True',
      'Reporting',
      withKafkaCa({ inline: certificate('ca-expired') + certificate('ca-kafka') }),
      /expired/,
    ],
    ["the Secret with Kafka's password is not there", 'False', 'MissingReference', withSasl({}), /no Secret kafka/],
    [
      "the Secret with Kafka's password lacks the key",
      'False',
      'MissingReference',
      withSasl({ kafka: { user: '' } }),
      /has no key password/,
    ],
    ["the Secret with Kafka's password has the key", 'True', 'Reporting', withSasl({ kafka: { password: 'secret' } })],
  ]),
];

export const NODE_READY_ROWS: readonly ConditionRow[] = [
  failing('Ready'),
  ...rows('Ready', [
    ['all is well', 'True', 'AllReady', {}],
    ['one thing is wrong', 'False', 'IncludeMissing', servers('IncludeMissing')],
    ['one thing is not known', 'Unknown', 'NoReport', { dataPlane: { sidecars: undefined } }],
  ]),
];

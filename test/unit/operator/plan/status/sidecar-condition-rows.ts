import type { InjectionRefusal } from '../../../../../operator/plan/injection/injection.ts';
import { aNode, certificate, NOW, references, sidecarOf } from '../fixtures.ts';
import { type ConditionRow } from './condition-rows.ts';
import { failing, kafka, rows, type Situation, withKafkaCa } from './node-situations.ts';

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

/** One of two was first seen with earlier settings so long ago. */
const withEarlier = (ms: number): Situation => {
  const digest = 'aaaaaaaaaaaa';
  return {
    ...sidecars({}, { settings: { state: 'Current', message: '', digest } }),
    known: { staleSettings: new Map([[digest, NOW - ms]]) },
  };
};
const WAS_LATE = {
  type: 'SidecarReady',
  status: 'False',
  reason: 'SettingsNotLive',
  message: '',
  observedGeneration: 3,
  lastTransitionTime: '2026-11-25T10:00:00Z',
} as const;

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
      sidecars({}, { settings: { state: 'Refused', message: 'why', digest: null } }),
      /^why$/,
    ],
    [
      'a sidecar needs a restart',
      'False',
      'SettingsNotLive',
      sidecars({ settings: { state: 'RestartNeeded', message: 'why', digest: null } }),
    ],
    ['a sidecar has had earlier settings for a moment', 'True', 'Reporting', withEarlier(119_000)],
    [
      'a sidecar has had earlier settings for long',
      'False',
      'SettingsNotLive',
      withEarlier(121_000),
      /^a sidecar was first seen with earlier settings at 2026-11-25T11:57:59.000Z.*kubelet/,
    ],
    [
      'a sidecar had earlier settings for long before the operator was started, and has them still',
      'False',
      'SettingsNotLive',
      { ...withEarlier(0), node: aNode({ status: { conditions: [WAS_LATE] } }) },
    ],
    [
      'the newest settings could not be written, so that no sidecar can have them',
      'True',
      'Reporting',
      { ...withEarlier(121_000), known: { ...withEarlier(121_000).known, refused: 'no rights' } },
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
      "the Secret with Kafka's password lacks the entry",
      'False',
      'MissingReference',
      withSasl({ kafka: { user: '' } }),
      /has no entry password/,
    ],
    ["the Secret with Kafka's password has the key", 'True', 'Reporting', withSasl({ kafka: { password: 'secret' } })],
  ]),
];

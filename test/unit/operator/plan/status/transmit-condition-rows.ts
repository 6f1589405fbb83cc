import type { TransmitReason } from '../../../../../common/contract/transmit-reasons.ts';
import type { TransmitStatus } from '../../../../../common/contract/transmit-status.ts';
import type { FhirServer } from '../../../../../operator/api/types.ts';
import { aNode, certificate, references, sidecarOf } from '../fixtures.ts';
import type { ConditionRow } from './condition-rows.ts';
import { failing, rows, type Situation } from './node-situations.ts';

const URL_A = 'https://fhir-a.example.org/r4';
const URL_B = 'https://fhir-b.example.org/r4';
const WELL: TransmitStatus = {
  url: URL_A,
  owned: true,
  reason: 'Transmitting',
  message: '',
  since: '2026-11-25T11:00:00Z',
  lag: 0,
  pending: 0,
  oldestPending: null,
  lastSuccess: null,
  delivered: 3,
  failed: 0,
  skipped: { NotFhir: 0, OwnMessage: 0, Unreadable: 0 },
  refused: 0,
  givenUp: 0,
  expired: 0,
  lastError: null,
};

const spec = (...fhirServers: readonly FhirServer[]): Pick<Situation, 'node'> => ({
  node: aNode({ spec: { fhirServers } }),
});
const reported = (...transmit: readonly Partial<TransmitStatus>[]): Situation => ({
  ...spec({ url: URL_A }, { url: `${URL_B}/` }),
  dataPlane: { sidecars: [sidecarOf([], { transmit: transmit.map((each) => ({ ...WELL, ...each })) })] },
});
const isNow = (reason: TransmitReason): Situation => reported({ reason, message: 'the message' }, { url: URL_B });
const withCa = (inline: string): Situation => ({ ...spec({ url: URL_A, ca: { inline } }), ...noReport });
const noReport: Pick<Situation, 'dataPlane'> = { dataPlane: { sidecars: [sidecarOf([], { transmit: [] })] } };
const withSecret = (secret: Readonly<Record<string, string>>): Situation => ({
  ...spec({ url: URL_A, secretRef: { name: 'fhir' } }),
  observed: { references: references({}, { fhir: secret }) },
  dataPlane: { sidecars: [sidecarOf([], { transmit: [WELL] })] },
});

const PASSING = [
  'Unreachable',
  'Busy',
  'ServerError',
  'KafkaUnavailable',
  'Fenced',
  'UncertainCommit',
  'InternalError',
];
const OURS = [
  'Unauthorized',
  'Redirected',
  'NotTrusted',
  'HostNameMismatch',
  'TlsRequired',
  'ClientCertificateRequired',
  'CertificateExpired',
  'CertificateNotYetValid',
  'KafkaRefused',
  'TopicNotCompacted',
  'PositionLost',
  'InvalidSettings',
];

export const TRANSMIT_ROWS: readonly ConditionRow[] = [
  failing('TransmitReady'),
  ...rows('TransmitReady', [
    ['no server is asked for', 'True', 'NotRequested', {}],
    ['each server takes what it is sent', 'True', 'Transmitting', reported({}, { url: URL_B }), /2 FHIR server/],
    [
      'one of them is being taken over',
      'Unknown',
      'Starting',
      reported({}, { url: URL_B, reason: 'Starting' }),
      /fhir-b/,
    ],
    [
      'no sidecar could be asked',
      'Unknown',
      'NoReport',
      { ...spec({ url: URL_A }), dataPlane: { sidecars: undefined } },
    ],
    ['a sidecar is too old to transmit', 'Unknown', 'NoReport', { ...spec({ url: URL_A }) }],
    [
      'no sidecar transmits to one',
      'Unknown',
      'NoReport',
      reported({}, { url: URL_B, owned: false, reason: 'NotOwned' }),
    ],
    ...[...PASSING, ...OURS].map(
      (reason) =>
        [
          `a sidecar reports ${reason}`,
          'False',
          reason,
          isNow(reason as TransmitReason),
          /fhir-a.*the message/,
        ] as const,
    ),
    [
      'two servers fail',
      'False',
      'Busy',
      reported({ reason: 'Busy' }, { url: URL_B, reason: 'Unreachable' }),
      /1 more of 2 fail/,
    ],
    ['a server is named twice', 'False', 'InvalidSettings', spec({ url: URL_A }, { url: `${URL_A}/` }), /\[1\]\.url/],
    [
      'a URL has a password in it',
      'False',
      'InvalidSettings',
      spec({ url: 'https://u:p@h' }),
      /^spec\.fhirServers\[0\]\.url: is not/,
    ],
    [
      'there is no such Secret',
      'False',
      'MissingReference',
      spec({ url: URL_A, secretRef: { name: 'gone' } }),
      /Secret gone/,
    ],
    [
      'the Secret has not what it takes',
      'False',
      'MissingReference',
      withSecret({ username: 'u' }),
      /username and password/,
    ],
    ['the Secret has a user and a password', 'True', 'Transmitting', withSecret({ username: 'u', password: 'p' })],
    ['the Secret has a token', 'True', 'Transmitting', withSecret({ token: 't' })],
    ['its CA has expired', 'False', 'CertificateExpired', withCa(certificate('ca-expired'))],
    ['its CA is none', 'False', 'NotACertificateAuthority', withCa(certificate('no-ca'))],
    ['its CA is not PEM', 'False', 'CertificateInvalid', withCa('x')],
    [
      'a private key is in place of its CA',
      'False',
      'PrivateKeyPasted',
      withCa('-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n'),
    ],
  ]),
];

import { REASON_TEXTS } from '../../common/contract/reasons.ts';
import { TRANSMIT_REASON_TEXTS } from '../../common/contract/transmit-reasons.ts';
import { bad, fine, TRUST, unknown } from './reason-entry.ts';

/** The reasons of a node's conditions. */

const REFUSED =
  'the Kubernetes API refuses it, and the message is its own. Are the rights of the operator complete? Is a quota or a policy ' +
  'in the way?';

const RECONCILE_FAILED = unknown(
  'passes',
  'The last three reconciles of the node failed, or more, so nothing recent is known; the message is that of the error. It is tried ' +
    "again with a growing delay. If it stays, look at the operator's log.",
);

/** The reasons of KeyReady. */
export const KEY = {
  KeyMade: fine('The operator has made the key. It is in the Secret named after the node with -nkey at the end.'),
  KeyBrought: fine('The key is the one in `spec.key.secretRef`.'),
  Rotating: fine(
    'There is a new key, and the previous one is still accepted. Send the new invitation to the peers in ' +
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
    'A key is in force that LinuxForHealth publishes with its seed, so that anybody can use it; the message says which. If it is ' +
      "the node's own, bring another, or raise `spec.key.rotation`. If it is in `spec.nats`, give connect a key of its own.",
  ),
  InvalidKey: bad(
    'we',
    'The entry nats-server.nk of the Secret is missing, or is not the seed of an NKey user (SU…). Correct it, or restore it.',
  ),
  SecretMissing: bad(
    'we',
    'There is no Secret for the key, and the operator may not make one. Make an empty one with the command in the message, and the ' +
      'operator fills it at once. The chart makes them for `local` and the nodes in `watch.names.nodes`, in the namespaces that it knows.',
  ),
  WriteRefused: bad('we', `The key cannot be written: ${REFUSED}`),
  MissingReference: bad('we', 'The Secret in `spec.key.secretRef` does not exist. Make it.'),
  ReconcileFailed: RECONCILE_FAILED,
} as const;

/** The reasons of NatsConfigLive. */
export const NATS_CONFIG = {
  Live: fine(
    'Every nats-server runs the configuration that was written last. The operator has checked that by signing in. The message ' +
      'names servers that are not ready and do not answer, if there are any: they are not among those that were checked.',
  ),
  Reconciling: unknown('passes', 'No nats-server was asked yet.'),
  ConfigNotLive: bad(
    'passes',
    'A nats-server runs an older configuration; the message says which. A mounted ConfigMap takes up to a minute. If it ' +
      'stays: does the server include our files, and does anything reload it (`spec.nats.reload`)?',
  ),
  NoAuthorization: bad(
    'we',
    'A nats-server lets in a random key, so it has no authorization at all. Include the files of the ConfigMap named after the ' +
      'node with -nats at the end.',
  ),
  IncludeMissing: bad(
    'we',
    'A nats-server does not include the files of the ConfigMap named after the node with -nats at the end. Include them inside ' +
      'its own blocks. A server that takes its users from an operator (JWT) or an auth callout cannot include them, and is not ' +
      'supported.',
  ),
  NatsUnreachable: bad(
    'passes',
    'A nats-server cannot be asked, or there is no server at `spec.nats.servers`; the message says why.',
  ),
  NatsNotTrusted: bad(
    'we',
    "A nats-server's certificate is not from a CA in `spec.nats.ca`, or not for the name in `spec.nats.servers`.",
  ),
  ClientCertificateRequired: bad(
    'we',
    'A nats-server demands a client certificate, and lfh-sync has none: it signs in with its key. Remove `verify` (or ' +
      '`verify_and_map`) from the `tls` block of that server.',
  ),
  ServerTooOld: bad(
    'we',
    'A nats-server is too old; the message says which version it has and which it needs. Update it.',
  ),
  NatsRefusedConfig: bad(
    'we',
    'A nats-server has not taken up the configuration for over two minutes, and runs the previous one. Most likely it ' +
      'refuses to reload, because of our files or of something else in its configuration: its log says why. If its log says ' +
      'nothing, nothing reloads it (`spec.nats.reload`). If the message says that its pod is not ready: is the kubelet of its machine running?',
  ),
  WriteRefused: bad('we', `A ConfigMap of the node cannot be written: ${REFUSED}`),
  WorkloadMissing: bad('we', 'The workload in `spec.nats.workloadRef` does not exist. Make it, or correct the name.'),
  Conflict: bad(
    'we',
    'Another LfhSyncNode has the same nats-server and takes precedence: it is in the namespace of that Service, runs there, or is ' +
      'older. Give each node its own.',
  ),
  AddressPending: bad(
    'passes',
    'The Service in `spec.nats.advertiseFrom` has no address yet. Peers that have our invitation go on; a new invitation is written ' +
      'when the address is known. If it stays, ask whoever gives load balancers their addresses in this cluster.',
  ),
  AddressMissing: bad(
    'we',
    'The Service in `spec.nats.advertiseFrom` gives no address at which peers reach us; the message says why. Peers that have our ' +
      'invitation go on. Correct the Service or the spec, or set `spec.nats.advertise`.',
  ),
  InvalidSpec: bad('we', 'The spec contradicts itself or a peer; the message says where. Correct it.'),
  KeyNotReady: bad('we', 'There is no key to write the configuration with. Look at the condition KeyReady.'),
  CertificateExpired: bad(
    'we',
    "A certificate has expired, a nats-server's or a CA in `spec.nats.ca`; the message says which. Put the " +
      'new one there.',
  ),
  CertificateNotYetValid: bad(
    'passes',
    "A certificate, a nats-server's or a CA in `spec.nats.ca`, is not valid yet; the message says which. " +
      'Compare the clocks.',
  ),
  ...TRUST,
  ReconcileFailed: RECONCILE_FAILED,
} as const;

/** The reasons of StreamReady. */
export const STREAM_REASONS = {
  StreamFound: fine("This node's NATS has the stream EVENTS, from which the peers fetch."),
  NotRequested: fine('No peer may receive from us, so no stream is needed.'),
  NatsUnreachable: unknown('passes', "This node's JetStream could not be asked. Look at the condition NatsConfigLive."),
  StreamMissing: bad(
    'we',
    "This node's NATS has no stream EVENTS, so no peer can fetch anything. connect makes it when it starts: is it running, and in " +
      'the account of `spec.nats.account`?',
  ),
  ReconcileFailed: RECONCILE_FAILED,
} as const;

/** The reasons of SidecarReady. */
export const SIDECAR = {
  Reporting: fine(
    'The sidecars report, and none has run with earlier settings for over two minutes. The message may have a remark: something to think ' +
      'about, although all is well.',
  ),
  NotRequested: fine('`spec.connect` is absent, so no sidecar is injected.'),
  Injected: unknown(
    'passes',
    'The sidecar was just put into the pod template of `status.workload`, and the new pods are awaited.',
  ),
  NoReport: unknown(
    'passes',
    "No sidecar answers over this node's NATS. Are the pods of connect running? Look at the log of their container lfh-sync.",
  ),
  SettingsNotLive: bad(
    'we',
    'A sidecar has refused its newest settings, needs a restart to take them up, or has not got them for over two minutes; the message ' +
      'says which and what to do.',
  ),
  KafkaUnavailable: bad('passes', REASON_TEXTS.KafkaUnavailable),
  ConnectAlsoSubscribes: bad(
    'we',
    "The workload sets connect's own NATS_SYNC_SUBSCRIBERS, so it would replay the same messages a second time. Remove it from the " +
      'workload; make an LfhSyncPeer of each server in it.',
  ),
  LfhIdMismatch: bad(
    'we',
    'The workload sets CONNECT_LFH_ID to another id than `spec.lfhId`, or to one that only the kubelet knows, such as the name of each ' +
      "pod. Peers would reject every message of it. Remove it from the workload, and the operator sets it; or make the node with connect's id.",
  ),
  WorkloadMissing: bad(
    'we',
    'The workload in `spec.connect.workloadRef` does not exist. Make it, or correct the name.',
  ),
  ContainerUnknown: bad(
    'we',
    "The operator cannot tell which container of the workload is connect's. Name it in `spec.connect.container`; the message lists them.",
  ),
  Conflict: bad(
    'we',
    'The workload has a container or volume lfh-sync of its own, or another LfhSyncNode has its sidecar in it, or somebody takes the ' +
      'sidecar out again and again; the message says which.',
  ),
  InjectionRefused: bad(
    'we',
    'The API server does not let the operator change the workload; the message is its own. Either a right is missing, as with ' +
      'Argo CD or after `helm rollback` over a changed workloadRef: then the message says which name to add to `watch.names.connect`, ' +
      'and `helm upgrade` with the current values adds it by itself. Or a policy of the cluster forbids it.',
  ),
  PodsRefused: bad(
    'we',
    'The pods with the sidecar cannot be made, or do not become ready; the message is that of the ReplicaSet. Is a LimitRange, a quota or ' +
      'a policy in the way? `spec.connect.resources` sets what the sidecar asks for.',
  ),
  NoImage: bad(
    'we',
    '`spec.connect` asks for a sidecar, and the operator does not know its image. Set LFH_SYNC_IMAGE, as the chart does, or ' +
      'run the sidecar yourself.',
  ),
  ...TRUST,
  CertificateExpired: bad('we', 'Every CA in `spec.kafka.ca` has expired. Put the new one there.'),
  CertificateNotYetValid: bad('passes', 'No CA in `spec.kafka.ca` is valid yet. Compare the clocks.'),
  MissingReference: bad(
    'we',
    'A ConfigMap or Secret that `spec.kafka` names does not exist or lacks the entry; the message says which. Make it.',
  ),
  ReconcileFailed: RECONCILE_FAILED,
} as const;

/** The reasons of TransmitReady. */
export const TRANSMIT = {
  Transmitting: fine('Every FHIR server in `spec.fhirServers` takes what was replayed.'),
  NotRequested: fine('`spec.fhirServers` is absent, so nothing is transmitted.'),
  Starting: unknown('passes', TRANSMIT_REASON_TEXTS.Starting),
  NoReport: unknown(
    'passes',
    'No sidecar reports that it transmits to a server; the message says to which. Look at the condition SidecarReady.',
  ),
  Unreachable: bad('passes', TRANSMIT_REASON_TEXTS.Unreachable),
  Busy: bad('passes', TRANSMIT_REASON_TEXTS.Busy),
  ServerError: bad('passes', TRANSMIT_REASON_TEXTS.ServerError),
  Unauthorized: bad('we', TRANSMIT_REASON_TEXTS.Unauthorized),
  Redirected: bad('we', TRANSMIT_REASON_TEXTS.Redirected),
  NotTrusted: bad('we', TRANSMIT_REASON_TEXTS.NotTrusted),
  HostNameMismatch: bad('we', TRANSMIT_REASON_TEXTS.HostNameMismatch),
  TlsRequired: bad('we', TRANSMIT_REASON_TEXTS.TlsRequired),
  ClientCertificateRequired: bad('we', TRANSMIT_REASON_TEXTS.ClientCertificateRequired),
  KafkaUnavailable: bad('passes', TRANSMIT_REASON_TEXTS.KafkaUnavailable),
  KafkaRefused: bad('we', TRANSMIT_REASON_TEXTS.KafkaRefused),
  TopicNotCompacted: bad('we', TRANSMIT_REASON_TEXTS.TopicNotCompacted),
  PositionLost: bad('we', TRANSMIT_REASON_TEXTS.PositionLost),
  Fenced: bad('passes', TRANSMIT_REASON_TEXTS.Fenced),
  UncertainCommit: bad('passes', TRANSMIT_REASON_TEXTS.UncertainCommit),
  InternalError: bad('passes', TRANSMIT_REASON_TEXTS.InternalError),
  InvalidSettings: bad('we', TRANSMIT_REASON_TEXTS.InvalidSettings),
  ...TRUST,
  CertificateExpired: bad(
    'we',
    "A server's certificate, or its CA in `spec.fhirServers`, has expired; the message says which.",
  ),
  CertificateNotYetValid: bad(
    'passes',
    "A server's certificate, or its CA in `spec.fhirServers`, is not valid yet; the message says which. Compare the clocks.",
  ),
  MissingReference: bad(
    'we',
    'A ConfigMap or Secret that `spec.fhirServers` names does not exist or lacks the entry; the message says which. Make it.',
  ),
  ReconcileFailed: RECONCILE_FAILED,
} as const;

/**
 * Every check of `lfh-sync check`. The program, its output and docs/check.md take ids and hints from here, so that they say one
 * thing. An id is the anchor of its part of that page.
 */

interface Check {
  /** What is asked about: the heading under which it is printed. */
  readonly group: 'Kubernetes' | 'connect' | 'NATS' | 'Kafka' | 'The operator' | 'The node' | 'The peers';
  /** `before` an installation (`--pre`), or `after` it. */
  readonly when: 'before' | 'after' | 'both';
  /** What is true where all is well. */
  readonly holds: string;
  /** What to do where it is not. */
  readonly hint: string;
}

export const CHECKS = {
  'kubernetes-version': {
    group: 'Kubernetes',
    when: 'before',
    holds: 'The API server is of Kubernetes 1.29 or newer, which knows native sidecars.',
    hint: 'Update the cluster. Where that is not possible, leave `spec.connect` out and run the sidecar yourself (docs/sidecar.md).',
  },
  'install-rights': {
    group: 'Kubernetes',
    when: 'before',
    holds:
      'You may create everything that the chart creates. The rights that the Roles of the chart give are not looked at.',
    hint: 'Have a cluster administrator install the chart, or give you these rights. The CRDs alone can be left to another release, with `crds.enabled: false`.',
  },
  image: {
    group: 'Kubernetes',
    when: 'before',
    holds: '`image.repository` in the values is not the placeholder of the chart.',
    hint: 'Build the image (`make image`), push it into your registry, and name it in `image.repository` of the values.',
  },
  'node-spec': {
    group: 'The node',
    when: 'before',
    holds: 'The spec of the LfhSyncNode does not contradict itself or another node.',
    hint: 'Correct the spec as the message says; docs/api.md has every field.',
  },
  advertise: {
    group: 'NATS',
    when: 'both',
    holds:
      '`spec.nats.advertise`, or the Service in `spec.nats.advertiseFrom`, gives at least one address at which peers reach this NATS.',
    hint: 'Set `spec.nats.advertise` to the address of your load balancer or node port, with `tls://`, or name its Service in `spec.nats.advertiseFrom` (docs/exposing-nats.md). Leave it empty only where no peer is to receive from this node.',
  },
  'connect-workload': {
    group: 'connect',
    when: 'both',
    holds: 'The workload in `spec.connect.workloadRef` exists.',
    hint: 'Make it, or correct kind and name in `spec.connect.workloadRef`. It has to be in the namespace of the LfhSyncNode.',
  },
  'connect-sidecar': {
    group: 'connect',
    when: 'both',
    holds: 'The workload of connect has no container or volume `lfh-sync` of its own.',
    hint: 'Take that container out, or leave `spec.connect` out and go on running the sidecar yourself.',
  },
  'connect-container': {
    group: 'connect',
    when: 'both',
    holds:
      'It is clear which container of the workload is that of connect: the only one, or the one that is named `connect`.',
    hint: "Name connect's container in `spec.connect.container`.",
  },
  'connect-subscribers': {
    group: 'connect',
    when: 'both',
    holds:
      'connect does not subscribe to peers itself (`NATS_SYNC_SUBSCRIBERS`), which would replay each message twice.',
    hint: 'Remove NATS_SYNC_SUBSCRIBERS from the workload, and make an LfhSyncPeer of each server in it.',
  },
  'lfh-id': {
    group: 'connect',
    when: 'both',
    holds: "connect's `CONNECT_LFH_ID` is `spec.lfhId`, or absent: then lfh-sync sets it.",
    hint: 'Remove CONNECT_LFH_ID from the workload, and the operator sets it; or make the node with the id that connect has. Peers reject every message with another id.',
  },
  'connect-key': {
    group: 'connect',
    when: 'both',
    holds:
      "connect's key is let in by `spec.nats.connect.publicKey` or `spec.nats.users`, and is not the one that LinuxForHealth publishes.",
    hint: 'Make a key (`nk -gen user -pubout`), give connect the seed as its `nats-server.nk` without a line end, and put the public key into `spec.nats.connect.publicKey`.',
  },
  'nats-workload': {
    group: 'NATS',
    when: 'both',
    holds: 'The workload in `spec.nats.workloadRef` exists.',
    hint: 'Make it, or correct kind and name in `spec.nats.workloadRef`. It has to be in the namespace of the LfhSyncNode.',
  },
  'nats-mount': {
    group: 'NATS',
    when: 'before',
    holds: 'nats-server mounts the whole ConfigMap `<node>-nats`.',
    hint: 'Add the ConfigMap as a volume, and mount it into the container of nats-server, without `subPath` and without `items`: one that is mounted in parts never changes.',
  },
  'nats-reload': {
    group: 'NATS',
    when: 'both',
    holds:
      'Something makes nats-server take up a changed configuration: a reloader beside it, or the operator by a restart.',
    hint: 'Run natsio/nats-server-config-reloader beside nats-server, with the ConfigMap mounted into it too and with both files named by `-config`; or set `spec.nats.reload: Restart`.',
  },
  'nats-includes': {
    group: 'NATS',
    when: 'both',
    holds:
      'nats.conf includes `lfh-sync.conf` inside the account of the stream, and `lfh-sync-peers.conf` inside `accounts`. With `isolation: Users` the first one is inside `authorization`, and the second is not needed.',
    hint: 'Include the files as docs/operator.md shows ("What nats-server has to include"), by a path that is relative to nats.conf.',
  },
  'nats-version': {
    group: 'NATS',
    when: 'both',
    holds: 'nats-server is 2.10 or newer, and 2.14 or newer for the reset of a durable.',
    hint: 'Update nats-server. docs/compatibility.md says what each version means ("Which nats-server?").',
  },
  'nats-secret': {
    group: 'NATS',
    when: 'before',
    holds:
      'The Secret with the certificate of NATS has `tls.crt` and `tls.key`, and `ca.crt` where `spec.nats.ca` names it.',
    hint: "Make the Secret as cert-manager writes it, with the three entries `tls.crt`, `tls.key` and `ca.crt`. A certificate of an ACME issuer has no `ca.crt`: put the issuer's CA there yourself.",
  },
  'nats-certificate-names': {
    group: 'NATS',
    when: 'before',
    holds:
      'The certificate of NATS is for every host in `spec.nats.servers` and in `spec.nats.advertise`, and for the one in `spec.nats.advertiseFrom`.',
    hint: "Have the certificate issued again with these names in its SAN (`dnsNames` and `ipAddresses` of cert-manager's Certificate).",
  },
  'nats-certificate-expiry': {
    group: 'NATS',
    when: 'before',
    holds: 'The certificate of NATS is valid, and has 30 days or more left.',
    hint: 'Renew the certificate, and have nats-server reload. If it is not valid yet, compare the clocks.',
  },
  'nats-ca': {
    group: 'NATS',
    when: 'before',
    holds:
      'What `spec.nats.ca` names is a certificate authority that is valid for 30 days or more, and it has issued the certificate of NATS.',
    hint: 'Put the CA there that has issued the certificate of NATS, and not that certificate itself. Peers verify our NATS with it: after a change they need the new invitation.',
  },
  'kafka-secret': {
    group: 'Kafka',
    when: 'before',
    holds: 'The Secret in `spec.kafka.sasl.passwordSecretRef` exists and has the entry with the password.',
    hint: 'Make the Secret in the namespace of the LfhSyncNode, with the password in the entry `password` or the one that `passwordSecretRef.key` names. One of another namespace, such as that of Strimzi, has to be copied.',
  },
  'kafka-ca': {
    group: 'Kafka',
    when: 'before',
    holds: 'What `spec.kafka.ca` names is a certificate authority that is valid for 30 days or more.',
    hint: 'Put the CA of Kafka there, in the namespace of the LfhSyncNode. With Strimzi it is `ca.crt` of the Secret `<cluster>-cluster-ca-cert`.',
  },
  'kafka-replication': {
    group: 'Kafka',
    when: 'both',
    holds: 'Where there is more than one broker, no topic of ours has only one replica.',
    hint: 'Leave `spec.kafka.topics.replicationFactor` out, so that the brokers decide, or set it to 3. Topics that are there are not changed by that: `kafka-reassign-partitions.sh --execute` does that.',
  },
  kafka: {
    group: 'Kafka',
    when: 'after',
    holds: 'The sidecars are in contact with Kafka.',
    hint: "`kubectl logs deployment/connect -c lfh-sync | grep 'not in contact'` says why not: an address, a CA, a password, or a right.",
  },
  'kafka-rights': {
    group: 'Kafka',
    when: 'after',
    holds: 'Kafka lets the sidecars write: their ACLs are complete, and no policy or limit is in the way.',
    hint: 'Give the user of the sidecars the right that the message names; docs/sidecar.md has the list of all.',
  },
  'position-topic': {
    group: 'Kafka',
    when: 'after',
    holds: 'The topics of the positions are compacted, so that Kafka deletes no position.',
    hint: '`kafka-configs.sh --alter --entity-type topics --entity-name LFH_SYNC_POSITION_… --add-config cleanup.policy=compact`',
  },
  'crds-served': {
    group: 'The operator',
    when: 'after',
    holds: 'The API server serves LfhSyncNodes and LfhSyncPeers.',
    hint: 'Install the CRDs: with the chart, or `kubectl apply --server-side -f crds/`.',
  },
  'operator-lease': {
    group: 'The operator',
    when: 'after',
    holds: 'An operator holds the Lease `lfh-sync-operator` and renews it.',
    hint: 'Look at the pods of the operator (`kubectl get pods -l app.kubernetes.io/name=lfh-sync`) and at `/readyz` on port 9878. Messages flow without it, and changes do not take effect.',
  },
  'clock-skew': {
    group: 'The operator',
    when: 'after',
    holds: 'The clocks of the operator, of the API server and of this machine agree within 5 s.',
    hint: 'Run NTP on every machine. Certificates, tokens and `startFrom.time` are judged by these clocks.',
  },
  versions: {
    group: 'The operator',
    when: 'after',
    holds:
      "The sidecar in the workload of connect has the operator's image, and the image is of this program's version.",
    hint: 'Wait until the upgrade is over; then `helm upgrade` with the same version for all. `kubectl rollout status` shows whether the new pods of connect start.',
  },
  node: {
    group: 'The node',
    when: 'after',
    holds: 'There is an LfhSyncNode, and the operator has looked at its newest spec.',
    hint: 'Apply an LfhSyncNode, or set `node` in the values of the chart. `lfh-sync check --pre` looks at what it needs.',
  },
  key: {
    group: 'The node',
    when: 'after',
    holds: 'The node has a key (`KeyReady`).',
    hint: 'docs/api.md says what each reason of `KeyReady` means, and what to do.',
  },
  'nats-config': {
    group: 'The node',
    when: 'after',
    holds: 'Every nats-server runs the configuration that lets the peers in (`NatsConfigLive`).',
    hint: 'docs/api.md says what each reason of `NatsConfigLive` means, and what to do.',
  },
  stream: {
    group: 'The node',
    when: 'after',
    holds: 'The stream EVENTS is there (`StreamReady`).',
    hint: 'Start connect, which makes it. Is it in the account that `spec.nats.account` names?',
  },
  sidecar: {
    group: 'The node',
    when: 'after',
    holds: 'The sidecars are there and work (`SidecarReady`).',
    hint: 'docs/api.md says what each reason of `SidecarReady` means, and what to do.',
  },
  'settings-live': {
    group: 'The node',
    when: 'after',
    holds: 'The sidecars run with their newest settings.',
    hint: "Correct the setting that the message names, or restart connect's pods: `kubectl rollout restart`.",
  },
  transmit: {
    group: 'The node',
    when: 'after',
    holds: 'What was replayed is transmitted to every FHIR server (`TransmitReady`).',
    hint: 'docs/api.md says what each reason of `TransmitReady` means, and what to do.',
  },
  certificates: {
    group: 'The node',
    when: 'after',
    holds: 'The certificates of NATS, its CA and that of Kafka are valid for 30 days or more.',
    hint: 'Renew what the message names (docs/operations.md, "A new CA, or a new certificate").',
  },
  receive: {
    group: 'The peers',
    when: 'after',
    holds: 'What the peer takes in arrives here (`ReceiveReady`).',
    hint: 'docs/api.md says what each reason of `ReceiveReady` means, and what to do.',
  },
  send: {
    group: 'The peers',
    when: 'after',
    holds: 'The peer can fetch what we take in, and does (`SendReady`).',
    hint: 'docs/api.md says what each reason of `SendReady` means, and what to do.',
  },
  'peer-reachable': {
    group: 'The peers',
    when: 'after',
    holds: "The peer's nats-server answers.",
    hint: 'Compare `spec.servers` of the peer with what its administrator says. Does a firewall on either side let the port through?',
  },
  'peer-trust': {
    group: 'The peers',
    when: 'after',
    holds: "The certificate of the peer's nats-server is from the CA in `spec.ca`, for that host, and valid.",
    hint: "Ask the peer's administrator for the new invitation, and apply it. If the certificate has expired, they have to renew it.",
  },
  'peer-key': {
    group: 'The peers',
    when: 'after',
    holds: "The peer's nats-server lets our key in.",
    hint: "Send the peer's administrator our invitation (the ConfigMap `<node>-invitation`), and ask them to apply it.",
  },
  'peer-rejected': {
    group: 'The peers',
    when: 'after',
    holds: 'No message of the peer was rejected.',
    hint: 'Rejected messages are in LFH_EXCEPTION; the header `lfh-sync-reason` says why. Correct the setting, and ask for a redrive in `spec.receive.redrive` (docs/operations.md, "LFH_EXCEPTION fills").',
  },
  'peer-retention': {
    group: 'The peers',
    when: 'after',
    holds: 'The peer fetches before our stream drops its messages.',
    hint: "Ask the peer's administrator why it does not fetch. If that takes longer, `nats stream edit EVENTS --max-age=…`.",
  },
  'peer-certificates': {
    group: 'The peers',
    when: 'after',
    holds: "The certificate of the peer's nats-server and the CA in `spec.ca` are valid for 30 days or more.",
    hint: "Tell the peer's administrator, who has to renew it and, where the CA changes, send a new invitation.",
  },
} as const satisfies Readonly<Record<string, Check>>;

export type CheckId = keyof typeof CHECKS;

/** In the order in which they are printed. */
export const CHECK_IDS = Object.keys(CHECKS) as readonly CheckId[];

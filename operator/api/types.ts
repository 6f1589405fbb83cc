/** Made by `npm run types:generate` from the CRDs in crds/; a test fails when it differs. */

import type { Metadata } from './objects.ts';

/**
 * This installation of LinuxForHealth connect: its NATS, its Kafka and its key. Every LfhSyncPeer is a peer of one node.
 */
export interface LfhSyncNode {
  apiVersion: 'sync.linuxforhealth.io/v1alpha1';
  kind: 'LfhSyncNode';
  metadata: Metadata;
  spec: LfhSyncNodeSpec;
  status?: LfhSyncNodeStatus;
}
/**
 * The desired state.
 */
export interface LfhSyncNodeSpec {
  /**
   * Our own connect_lfh_id. Where connect has no CONNECT_LFH_ID it is given this one. Absent: the one that connect has. Cannot be changed.
   */
  lfhId?: string;
  /**
   * The connect that gets the sidecar. Absent: no sidecar is injected, and this node receives from its peers only where somebody else runs one.
   */
  connect?: {
    /**
     * The workload that runs connect. Each of its pods gets a sidecar.
     */
    workloadRef: {
      /**
       * Kind of the workload.
       */
      kind?: 'Deployment' | 'StatefulSet';
      /**
       * Name of the workload, in the same namespace.
       */
      name: string;
    };
    /**
     * Name of connect's container in its pods. Absent: the only container, or the one named connect.
     */
    container?: string;
    /**
     * The sidecar's requests and limits, as in a pod. A change replaces connect's pods, one after the other.
     */
    resources?: {
      /**
       * What is reserved for the sidecar. An autoscaler that looks at the use of CPU needs it.
       */
      requests?: {
        /**
         * Cores, such as 50m; "1" in quotes.
         */
        cpu?: string;
        /**
         * Bytes, such as 128Mi.
         */
        memory?: string;
        /**
         * Bytes on the disk of the machine. The sidecar writes nothing there but its log.
         */
        'ephemeral-storage'?: string;
      };
      /**
       * The most that the sidecar gets. Absent: no limit, since a node with many peers needs more. A ResourceQuota on limits refuses every pod that has none.
       */
      limits?: {
        /**
         * Cores, such as 50m; "1" in quotes.
         */
        cpu?: string;
        /**
         * Bytes, such as 128Mi.
         */
        memory?: string;
        /**
         * Bytes on the disk of the machine. The sidecar writes nothing there but its log.
         */
        'ephemeral-storage'?: string;
      };
    };
  };
  /**
   * Our local NATS, with connect's stream.
   */
  nats: {
    /**
     * Its servers as the operator and the sidecars reach them, tls://host:port; usually one, the name of a Service. The operator checks every pod behind it.
     */
    servers: readonly string[];
    /**
     * The addresses at which other sites reach the same servers; they go into the invitation. Absent or empty, and advertiseFrom absent: the invitation names no server, and a site that applies it does not receive from us.
     */
    advertise?: readonly string[];
    /**
     * The Service whose address other sites reach, in place of advertise. The invitation follows it.
     */
    advertiseFrom?: {
      /**
       * A Service of the node's namespace, of the type LoadBalancer or NodePort, or with externalIPs.
       */
      serviceRef: {
        /**
         * The name of the Service.
         */
        name: string;
        /**
         * The port of the Service; not its node port. Absent where it has only one.
         */
        port?: number;
      };
      /**
       * The name or address that leads to the Service, such as the name in DNS for which the certificate of NATS is. A NodePort needs it. Absent: the addresses of the load balancer.
       */
      host?: string;
    };
    /**
     * The certificate authorities that vouch for our local NATS, as PEM. They go into the invitation. Absent: the system's roots vouch for it.
     */
    ca?: CaSource;
    /**
     * The workload that runs our NATS. When the configuration changes, its pods get an annotation so that they see it at once; with reload Restart they are restarted.
     */
    workloadRef?: {
      /**
       * Kind of the workload.
       */
      kind?: 'StatefulSet' | 'Deployment' | 'DaemonSet';
      /**
       * Name of the workload, in the same namespace.
       */
      name: string;
    };
    /**
     * How nats-server comes to read a changed configuration. Reloader: a container beside it reloads it, as in the official chart. Restart: the operator restarts workloadRef, pod by pod. None: somebody else sees to it.
     */
    reload?: 'Reloader' | 'Restart' | 'None';
    /**
     * What keeps the peers apart. Accounts: an account for each, which is safe against a hostile peer. Users: permissions within one account, for a NATS whose stream is in the default account; docs/security.md says what that lacks.
     */
    isolation?: 'Accounts' | 'Users';
    /**
     * Name of the NATS account that connect's stream is in. Has no meaning with isolation Users.
     */
    account?: string;
    /**
     * connect itself, as a user that may do only what connect does. Leave it out of `users` then.
     */
    connect?: {
      /**
       * connect's public NKey, of the seed in its NATS_NK_FILE. It must be none of status.publicKeys.
       */
      publicKey: string;
    };
    /**
     * Further public NKeys (U…) that may do everything in that account: an administrator's, an application's. Never give one of status.publicKeys: the peers' servers could sign in here with its signature. The node itself needs no entry. A seed (S…) never belongs here.
     */
    users?: readonly string[];
  };
  /**
   * Our own Kafka, where the sidecars write what they receive.
   */
  kafka: {
    /**
     * The brokers to connect to first, host:port.
     */
    brokers: readonly string[];
    /**
     * Whether to use TLS to Kafka.
     */
    tls?: boolean;
    /**
     * The certificate authorities that vouch for Kafka, as PEM. Absent: the system's roots vouch for it.
     */
    ca?: CaSource;
    /**
     * How to sign in at Kafka. Absent: the sidecars do not sign in.
     */
    sasl?: {
      /**
       * The SASL mechanism.
       */
      mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
      /**
       * The user to sign in as.
       */
      username: string;
      /**
       * The Secret with the password of that user.
       */
      passwordSecretRef: {
        /**
         * Name of the Secret, in the same namespace.
         */
        name: string;
        /**
         * The entry to mount; no other entry is mounted.
         */
        key?: string;
      };
    };
    /**
     * The topics that the sidecars make. Topics that exist already stay as they are.
     */
    topics?: {
      /**
       * Partitions of new topics; -1: as the brokers make them (num.partitions). Each peer has one of them, so its messages stay in order.
       */
      partitions?: number;
      /**
       * Replicas of new topics; -1: as the brokers make them (default.replication.factor). 3 wherever there are three brokers.
       */
      replicationFactor?: number;
    };
  };
  /**
   * How the sidecars work. Where Kafka and NATS are is in spec.kafka and spec.nats.
   */
  sidecar?: {
    /**
     * How much the sidecars log. trace has connect's own lines, one or more for each message. A change takes effect at once.
     */
    logLevel?: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';
    /**
     * Whether what was replayed is announced to applications on the local EVENTS.app_sync, as connect does. A change takes effect when a sidecar starts.
     */
    announce?: boolean;
    /**
     * Largest message that is taken from a peer, in bytes; larger ones are rejected as TooLarge. The default is the most that a NATS server takes unless its max_payload is raised. Topics that the sidecars make take such messages. A topic that takes only smaller ones lets the peer wait as KafkaRefused until its max.message.bytes is raised. A change takes effect at once.
     */
    maxMessageBytes?: number;
    /**
     * So many topics are made for one peer's new data_formats while a sidecar runs. After that the peer waits as KafkaRefused. A change takes effect when a sidecar starts.
     */
    maxTopics?: number;
    /**
     * What is put into one transaction of Kafka. A change takes effect at once.
     */
    batch?: {
      /**
       * Most messages in one transaction.
       */
      maxMessages?: number;
      /**
       * Most bytes of messages in one transaction. A sidecar uses up to about seven times as much memory for each peer.
       */
      maxBytes?: number;
      /**
       * Longest that a message waits for more while the peer has a backlog. Without a backlog no message waits.
       */
      maxAgeMilliseconds?: number;
    };
    /**
     * Where the sidecars serve /healthz, /status and /metrics, at every address of connect's pods. A change replaces connect's pods, one after the other.
     */
    httpPort?: number;
  };
  /**
   * The FHIR servers that replayed FHIR resources are transmitted to. A server that is new begins with what is replayed from then on. A bad entry stops only itself; the condition TransmitReady says why.
   */
  fhirServers?: readonly FhirServer[];
  /**
   * The NKey with which this node signs in at its peers. At its local NATS it signs in with another key, which is derived from this one's seed.
   */
  key?: {
    /**
     * A Secret with a key that was made elsewhere: the seed (SU…) is in its entry nats-server.nk. Absent: the operator makes a key, in the Secret named after the node with -nkey at the end.
     */
    secretRef?: {
      /**
       * Name of the Secret, in the same namespace.
       */
      name: string;
    };
    /**
     * Raise it to have a new key made. The previous key stays for spec.key.overlap, and for as long as a peer accepts no other, but not longer than spec.key.overlapMax; status.previousKeyInUseBy names those peers.
     */
    rotation?: number;
    /**
     * How long the previous key stays at least, such as 90s, 30m or 24h.
     */
    overlap?: string;
    /**
     * How long the previous key stays at most, such as 72h, whatever peers accept. A peer that has not taken the new invitation by then is cut off, and one that wants to cannot keep the previous key in force. Absent: for as long as a peer accepts no other, since one may only be slow.
     */
    overlapMax?: string;
  };
}
/**
 * The observed state.
 */
export interface LfhSyncNodeStatus {
  /**
   * The metadata.generation that this status is about.
   */
  observedGeneration?: number;
  /**
   * KeyReady, NatsConfigLive, SidecarReady, TransmitReady and Ready over them; Reconciling and Stalled only while true. docs/api.md lists every reason and what to do about it.
   */
  conditions?: readonly Condition[];
  /**
   * The connect_lfh_id by which the peers know this node.
   */
  lfhId?: string;
  /**
   * The name of this node at its peers: lfh-sync- and its lfhId, or a hash of the lfhId where NATS does not allow that as a name.
   */
  name?: string;
  /**
   * The public keys that peers should accept, the one in force first; there are two during a rotation.
   */
  publicKeys?: readonly string[];
  /**
   * The spec.key.rotation that made the key in force.
   */
  rotation?: number;
  /**
   * When that key was made.
   */
  rotatedAt?: string;
  /**
   * Names of the peers that still accept only the previous key. They need the new invitation.
   */
  previousKeyInUseBy?: readonly string[];
  /**
   * Name of the ConfigMap with syncpeer.yaml, which the other side applies to have this node as its peer.
   */
  invitation?: string;
  /**
   * The peers of this node.
   */
  peers?: {
    /**
     * How many there are.
     */
    total?: number;
    /**
     * How many of them are ready.
     */
    ready?: number;
  };
  /**
   * What the sidecars last reported of each FHIR server.
   */
  transmit?: readonly FhirServerStatus[];
  /**
   * The workload that the sidecar is injected into, such as Deployment/connect.
   */
  workload?: string;
  /**
   * When certificates expire that this node depends on. One that was never seen is absent.
   */
  certificateExpiry?: {
    /**
     * When the first certificate of our nats-servers, or of those above it, expires, as last seen when the operator signed in.
     */
    nats?: string;
    /**
     * When the last certificate authority in spec.nats.ca expires.
     */
    natsCa?: string;
    /**
     * When the last certificate authority in spec.kafka.ca expires.
     */
    kafkaCa?: string;
  };
  /**
   * Hash of the NATS configuration that every server of ours was last seen to run.
   */
  configHash?: string;
}

/**
 * Another LinuxForHealth node, and what is synchronized with it: we receive from it where spec.servers is set, it may receive from us where spec.publicKeys is.
 */
export interface LfhSyncPeer {
  apiVersion: 'sync.linuxforhealth.io/v1alpha1';
  kind: 'LfhSyncPeer';
  metadata: Metadata;
  spec: LfhSyncPeerSpec;
  status?: LfhSyncPeerStatus;
}
/**
 * The desired state.
 */
export interface LfhSyncPeerSpec {
  /**
   * The peer's own connect_lfh_id, which its messages carry and under which it may sign in here. Cannot be changed.
   */
  lfhId: string;
  /**
   * Which of our nodes this is a peer of.
   */
  nodeRef?: {
    /**
     * Name of the LfhSyncNode, in the same namespace.
     */
    name?: string;
  };
  /**
   * The peer's NATS servers, tls://host:port. They are tried one after the other; further servers that a server announces are ignored. Absent or empty: nothing is received from this peer.
   */
  servers?: readonly string[];
  /**
   * The certificate authorities that vouch for the servers of this peer, and of no other, as PEM. Absent: the system's roots vouch for them.
   */
  ca?: CaSource;
  /**
   * The name that the certificate of the peer's servers must be for, where that is not the host in spec.servers.
   */
  tlsServerName?: string;
  /**
   * The peer's public NKeys (U…), with which it may receive from us; two while it rotates its key. Absent or empty: it may not receive from us. A seed (S…) never belongs here.
   */
  publicKeys?: readonly string[];
  /**
   * How we receive from the peer.
   */
  receive?: {
    /**
     * Receives nothing from the peer for now. What it has for us waits there and is received afterwards.
     */
    paused?: boolean;
    /**
     * Where to begin with a peer that was never replayed. It has no effect once there is a position.
     */
    startFrom?: {
      /**
       * Earliest: everything that the peer still has. Latest: what it takes in from now on. Time: what it took in since then.
       */
      policy?: 'Earliest' | 'Latest' | 'Time';
      /**
       * With policy Time: messages that the peer's stream stored before this time are skipped. It has a time zone, such as 2026-11-24T08:00:00Z.
       */
      time?: string;
    };
    /**
     * How much is received at most. The rest waits at the peer, and other peers do not notice. Absent: as much as the peer brings.
     */
    limits?: {
      /**
       * Messages a second. No more are asked for.
       */
      messagesPerSecond?: number;
      /**
       * Bytes of messages in a day of UTC, counted by each sidecar since it began. It may be exceeded by one batch; then the reason is Throttled until the day is over.
       */
      bytesPerDay?: number;
    };
    /**
     * What to do about StreamDiverged: begin again, from the time that is given. It counts only while the position is the given one, so once. docs/operations.md says at what price.
     */
    restart?: {
      /**
       * The sequence of the last message that was replayed, as the condition's message says it.
       */
      position: number;
      /**
       * As spec.receive.startFrom.
       */
      startFrom: {
        /**
         * As there.
         */
        policy: 'Earliest' | 'Latest' | 'Time';
        /**
         * As there.
         */
        time?: string;
      };
    };
    /**
     * Replays from LFH_EXCEPTION the messages of this peer that today's settings accept, behind what was replayed before. Each is replayed once, however often that is asked for. docs/operations.md has an example.
     */
    redrive?: {
      /**
       * A word that you choose. What was last asked for with it is not done again. Another one looks at what was never replayed.
       */
      id: string;
      /**
       * Only messages that were rejected for one of these, as docs/status.md lists them. Absent: for any.
       */
      reasons?: readonly string[];
      /**
       * Only messages that were rejected at this time or later. It has a time zone, such as 2026-11-24T08:00:00Z.
       */
      since?: string;
      /**
       * Only counts what would be replayed. It does not use the id up.
       */
      dryRun?: boolean;
    };
    /**
     * Patterns of data_format, in which * stands for anything; a message of another format ends in LFH_EXCEPTION. Absent: what connect takes in, which is FHIR*, X12*, HL7*, CDA*, CCDA*, C-CDA*, DICOM*, IMAGE*, NCPDP*, ASTM*.
     */
    allowFormats?: readonly string[];
    /**
     * The lfh_ids, besides the peer's own, whose messages may come through this peer. Messages with any other lfh_id end in LFH_EXCEPTION.
     */
    allowOrigins?: readonly string[];
    /**
     * The peer's stream.
     */
    stream?: string;
    /**
     * Name of our durable consumer at the peer. Absent: the consumer that lfh-sync makes there, whose name is lfh-sync- and our own lfhId.
     */
    consumer?: string;
    /**
     * Whether no lfh-sync looks after the peer's NATS, so that its administrator gives us access by hand. status.receive.manual then has what that takes (docs/upstream-sites.md).
     */
    manual?: boolean;
  };
  /**
   * How the peer receives from us.
   */
  send?: {
    /**
     * Takes the peer's access away for now. What it has not received waits, for as long as our stream keeps it.
     */
    paused?: boolean;
    /**
     * Who receives at the peer. Sidecar: lfh-sync. Connect: connect itself, at a site without lfh-sync, by its NATS_SYNC_SUBSCRIBERS (docs/upstream-sites.md). It needs nats.isolation Accounts. When this is changed, the peer goes on where it has acknowledged; a sidecar goes on at its own position.
     */
    client?: 'Sidecar' | 'Connect';
  };
}
/**
 * The observed state.
 */
export interface LfhSyncPeerStatus {
  /**
   * The metadata.generation that this status is about.
   */
  observedGeneration?: number;
  /**
   * ReceiveReady, SendReady and Ready over them; Reconciling and Stalled only while true. docs/api.md lists every reason and what to do about it.
   */
  conditions?: readonly Condition[];
  /**
   * The name of the peer on NATS and in Kafka: lfh-sync- and its lfhId, or a hash of the lfhId where NATS does not allow that as a name.
   */
  name?: string;
  /**
   * What we receive, as reported by the sidecar that replays the peer.
   */
  receive?: {
    /**
     * Stream sequence of the peer's last message that is committed in our Kafka.
     */
    position?: number;
    /**
     * Messages that the peer has for us and that are not replayed yet.
     */
    lag?: number;
    /**
     * When a message was last replayed.
     */
    lastReplayTime?: string;
    /**
     * Messages written to Kafka since the sidecar took the peer over.
     */
    replayed?: number;
    /**
     * Messages, since the sidecar took the peer over, that there was no need to write; docs/status.md says why.
     */
    skipped?: number;
    /**
     * Messages that ended in LFH_EXCEPTION since the sidecar took the peer over; docs/status.md says why.
     */
    rejected?: number;
    /**
     * The server of the peer that we are connected to.
     */
    server?: string;
    /**
     * Our public key that the peer accepts.
     */
    key?: string;
    /**
     * What the peer's administrator needs to give us access by hand; only with spec.receive.manual. Nothing in it is secret.
     */
    manual?: {
      /**
       * A line for the users in the nats-server.conf there, in authorization or in the account of the stream; two lines while our key is replaced.
       */
      user?: string;
      /**
       * The subject of the request that makes our durable consumer there, such as with nats request.
       */
      subject?: string;
      /**
       * The body of that request, JSON.
       */
      durable?: string;
    };
  };
  /**
   * What has become of spec.receive.redrive, as reported by the sidecar that replays the peer.
   */
  redrive?: {
    /**
     * The spec.receive.redrive.id that this is about.
     */
    id?: string;
    /**
     * Whether it only counts.
     */
    dryRun?: boolean;
    /**
     * Running; Waiting, where something keeps it from going on, which the message says; Done; Unknown, where no sidecar reports on it.
     */
    state?: 'Running' | 'Waiting' | 'Done' | 'Unknown';
    /**
     * What came of it, or what it waits for, for a person.
     */
    message?: string;
    /**
     * Messages that are asked for and were looked at, without those that were replayed by an earlier one.
     */
    found?: number;
    /**
     * Those that were replayed; with dryRun those that would be.
     */
    replayed?: number;
    /**
     * Those that today's settings reject as well.
     */
    rejected?: number;
    /**
     * Those that LFH_EXCEPTION has only in part, and the peer's stream not at all.
     */
    missing?: number;
    /**
     * When it began.
     */
    startTime?: string;
    /**
     * When it was done. Absent before.
     */
    completionTime?: string;
  };
  /**
   * When certificates expire that receiving depends on. One that was never seen is absent.
   */
  certificateExpiry?: {
    /**
     * When the certificate of the peer's server, or one above it, expires first, as the sidecar saw it last.
     */
    server?: string;
    /**
     * When the last certificate authority in spec.ca expires.
     */
    serverCa?: string;
  };
  /**
   * What the peer receives, as reported by our NATS.
   */
  send?: {
    /**
     * Messages that we have for the peer and that it was not handed yet; with client Connect also those that it has not acknowledged.
     */
    pending?: number;
    /**
     * Stream sequence up to which the peer has acknowledged everything.
     */
    ackFloor?: number;
    /**
     * When the peer was last seen to ask for messages or to be subscribed, to within 5 minutes.
     */
    lastPullTime?: string;
    /**
     * The peer has fetched everything that came before this, and not everything that came since. Absent while it has everything, and until it has fetched anything.
     */
    behindSince?: string;
    /**
     * When the stream may begin to drop messages that the peer has not fetched, by its max_age. Absent where behindSince is, or where the stream has no max_age.
     */
    expiresAt?: string;
    /**
     * The spec.send.client that this is about.
     */
    client?: string;
    /**
     * The public key with which the peer is signed in.
     */
    connectedKey?: string;
  };
}

/**
 * Where certificate authorities are written; exactly one of the three.
 */
export interface CaSource {
  /**
   * The certificates themselves, one or more CERTIFICATE blocks. Never a private key.
   */
  inline?: string;
  /**
   * The ConfigMap that holds them.
   */
  configMapRef?: {
    /**
     * Name of the ConfigMap, in the same namespace.
     */
    name: string;
    /**
     * The entry to read.
     */
    key?: string;
  };
  /**
   * The Secret that holds them, such as one that cert-manager writes.
   */
  secretRef?: {
    /**
     * Name of the Secret, in the same namespace.
     */
    name: string;
    /**
     * The entry to read; no other entry is read.
     */
    key?: string;
  };
}

/**
 * A FHIR server that replayed resources are transmitted to.
 */
export interface FhirServer {
  /**
   * The base URL. The server is known by it in the status, the metrics and Kafka.
   */
  url: string;
  /**
   * The Secret to sign in with: its entries username and password, or its entry token. It is mounted into the sidecar, so naming another Secret replaces connect's pods, one after the other; changing its content does not.
   */
  secretRef?: {
    /**
     * Name of the Secret, in the same namespace.
     */
    name: string;
  };
  /**
   * The certificate authorities that vouch for this server and for no other, as PEM. Absent: the system's roots vouch for it.
   */
  ca?: CaSource;
  /**
   * Whether the resource's type, and for PUT and PATCH its id, follow the URL, as with connect's CONNECT_GENERATE_FHIR_SERVER_URL. With false everything is sent to the URL by POST.
   */
  appendResourceType?: boolean;
  /**
   * The longest time that one request may take.
   */
  timeoutSeconds?: number;
  /**
   * When what could not be delivered is tried again, and given up.
   */
  retry?: {
    /**
     * What was replayed longer ago than this and fails again is given up, and ends in LFH_EXCEPTION. Kafka must keep LFH_SYNC and RETRANSMIT for longer.
     */
    giveUpAfterSeconds?: number;
    /**
     * What was tried so often is given up. Absent: only its age counts.
     */
    maxAttempts?: number;
    /**
     * The longest time between two attempts.
     */
    maxDelaySeconds?: number;
  };
}

/**
 * One aspect of the observed state, as metav1.Condition has it.
 */
export interface Condition {
  /**
   * Which aspect.
   */
  type: string;
  /**
   * Whether the condition holds; Unknown where nothing recent is known.
   */
  status: 'True' | 'False' | 'Unknown';
  /**
   * The metadata.generation that was looked at.
   */
  observedGeneration?: number;
  /**
   * When the status last changed.
   */
  lastTransitionTime: string;
  /**
   * Why, as a name; docs/api.md says what to do.
   */
  reason: string;
  /**
   * Why, for a person.
   */
  message: string;
}

/**
 * What was last reported of a FHIR server.
 */
export interface FhirServerStatus {
  /**
   * Its URL, without user and password.
   */
  url?: string;
  /**
   * Its state, as a name; docs/status.md says what to do.
   */
  reason?: string;
  /**
   * What the topic LFH_SYNC has that was not looked at for it yet, Kafka's own markers included.
   */
  lag?: number;
  /**
   * Resources that wait for another attempt.
   */
  pending?: number;
  /**
   * When the one that waits longest was replayed.
   */
  oldestPending?: string;
  /**
   * When the server last took a resource.
   */
  lastSuccess?: string;
  /**
   * Resources that it took since the sidecar started.
   */
  delivered?: number;
  /**
   * Resources that it refused since the sidecar started. They are in LFH_EXCEPTION.
   */
  refused?: number;
  /**
   * Resources that were given up since the sidecar started. They are in LFH_EXCEPTION.
   */
  givenUp?: number;
  /**
   * The last failure or refusal, for a person.
   */
  lastError?: string;
}

import { hostname } from 'node:os';
import { InvalidInputError } from '../errors.ts';
import { LOCAL_SERVER } from '../server-url.ts';
import { MAX_BATCH_MESSAGES } from './durable.ts';
import { connectFhirUrls, fhirServerList } from './fhir-servers.ts';
import { peerList } from './peers.ts';
import { decodeSetting, optional, type Setting, setting } from './setting.ts';
import {
  boolean,
  everyAddress,
  HOST_PORT,
  hostPort,
  LOG_LEVELS,
  listOf,
  matching,
  oneOf,
  type Shape,
  text,
  wholeNumber,
  wholeNumberOrBrokers,
} from './shapes.ts';

/**
 * Every setting of the sidecar, once. From here the sidecar decodes them, the operator encodes them, docs/settings.md is made,
 * and every message that tells a person to change one takes its names ({@link settingText}). Where connect has the same
 * setting, it has connect's name.
 */

/**
 * The path of a file. A file that cannot be read is reported with its path, so a secret or a certificate that was pasted in
 * place of a path must not pass for one.
 */
const file = matching(
  /^(?!.*(?:S[A-Z][A-Z2-7]{56}|PRIVATE KEY))[^\0\r\n]+$/,
  'the path of a file, relative to the settings directory',
);
/** The port at which a sidecar serves HTTP unless its settings say otherwise. */
export const SIDECAR_HTTP_PORT = 9877;

/** The operator takes the setting from this field of the LfhSyncNode's spec. */
const from = (field: string) => ({ field: `spec.${field}` });
/** The same, for a setting that counts at once. */
const reloadableFrom = (field: string) => ({ ...from(field), reloadable: true });

export const SETTINGS = {
  lfhId: setting('CONNECT_LFH_ID', text, hostname, 'What this node calls itself in the messages it sends.', {
    fallbackText: 'the host name',
    ...from('lfhId'),
  }),
  node: setting(
    'LFH_SYNC_NODE',
    matching(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'lower-case letters, digits and -'),
    'local',
    'Name of this installation in Kafka: transactional ids and the consumer group begin with it. All sidecars of a node have the same.',
    { field: 'metadata.name' },
  ),
  peers: setting('LFH_SYNC_PEERS', peerList, [], 'The peers to receive from.', {
    reloadable: true,
    field: 'LfhSyncPeer',
  }),
  syncSubscribers: setting(
    'NATS_SYNC_SUBSCRIBERS',
    listOf(/^/, 'servers'),
    [],
    "connect's own subscribers. Must be empty: connect would replay the same messages a second time.",
  ),
  natsServers: setting(
    'NATS_SERVERS',
    listOf(LOCAL_SERVER, 'tls://host:port'),
    ['tls://nats-server:4222'],
    "This node's local NATS, where what was replayed is announced on EVENTS.app_sync.",
    from('nats.servers'),
  ),
  natsKeyFile: setting(
    'NATS_NK_FILE',
    file,
    'nats-server.nk',
    "The seed (SU…) of this node's NKey. The sidecar signs in with it at the peers; the key for the local NATS is derived from it. In the container of connect, the setting of this name is connect's own key, which is another one.",
    reloadableFrom('key'),
  ),
  previousNatsKeyFile: optional(
    'LFH_SYNC_PREVIOUS_NK_FILE',
    file,
    'The seed of the NKey before this one, while it is being replaced. The sidecar signs in with it wherever the newer key is refused, also at the local NATS with the key derived from it. When the file is missing, there is no such key.',
    reloadableFrom('key'),
  ),
  caFile: optional(
    'CONNECT_CA_FILE',
    file,
    "PEM of the CA of this node's local NATS. Absent: the system's roots.",
    reloadableFrom('nats.ca'),
  ),
  announce: setting(
    'LFH_SYNC_ANNOUNCE',
    boolean,
    true,
    'Whether to announce what was replayed on the local EVENTS.app_sync, as connect does.',
    from('sidecar.announce'),
  ),
  fhirServers: optional(
    'LFH_SYNC_FHIR_SERVERS',
    fhirServerList,
    'The FHIR servers that replayed FHIR resources are transmitted to. Where it is set, the two settings of connect below do not count.',
    reloadableFrom('fhirServers'),
  ),
  externalFhirServers: setting(
    'CONNECT_EXTERNAL_FHIR_SERVERS',
    connectFhirUrls,
    [],
    "The same, as connect names them: URLs, each with a user and a password or without. This is connect's own setting.",
    { reloadable: true },
  ),
  generateFhirServerUrl: setting(
    'CONNECT_GENERATE_FHIR_SERVER_URL',
    boolean,
    true,
    "Whether the resource's type follows those URLs, as in connect.",
    { reloadable: true },
  ),
  kafkaBrokers: setting(
    'KAFKA_BOOTSTRAP_SERVERS',
    listOf(HOST_PORT, 'host:port'),
    ['kafka:9092'],
    "This node's own Kafka.",
    from('kafka.brokers'),
  ),
  kafkaTls: setting('LFH_SYNC_KAFKA_TLS', boolean, false, 'Whether to use TLS to Kafka.', from('kafka.tls')),
  kafkaCaFile: optional(
    'LFH_SYNC_KAFKA_CA_FILE',
    file,
    "PEM of the CA of Kafka. Absent: the system's roots.",
    from('kafka.ca'),
  ),
  kafkaSaslMechanism: optional(
    'LFH_SYNC_KAFKA_SASL_MECHANISM',
    oneOf(['plain', 'scram-sha-256', 'scram-sha-512']),
    'How to sign in at Kafka. Absent: without signing in.',
    from('kafka.sasl.mechanism'),
  ),
  kafkaSaslUsername: optional(
    'LFH_SYNC_KAFKA_SASL_USERNAME',
    text,
    'The user to sign in at Kafka as.',
    from('kafka.sasl.username'),
  ),
  kafkaSaslPasswordFile: optional(
    'LFH_SYNC_KAFKA_SASL_PASSWORD_FILE',
    file,
    'The file with the password of that user. One that holds the seed of an NKey is refused.',
    from('kafka.sasl.passwordSecretRef'),
  ),
  newTopicPartitions: setting(
    'KAFKA_ADMIN_NEW_TOPIC_PARTITIONS',
    wholeNumberOrBrokers(1, 1000),
    -1,
    'Partitions of topics that the sidecar makes; -1: as the brokers make them (num.partitions). In every topic all messages of a peer go to one partition, so they stay in order.',
    from('kafka.topics.partitions'),
  ),
  newTopicReplicationFactor: setting(
    'KAFKA_ADMIN_NEW_TOPIC_REPLICATION_FACTOR',
    wholeNumberOrBrokers(1, 100),
    -1,
    'Replicas of topics that the sidecar makes; -1: as the brokers make them (default.replication.factor). 3 wherever there are three brokers.',
    from('kafka.topics.replicationFactor'),
  ),
  maxTopics: setting(
    'LFH_SYNC_MAX_TOPICS',
    wholeNumber(0, 100_000),
    100,
    "So many topics are made for one peer's new data_formats while a sidecar runs. After that the peer waits as KafkaRefused.",
    from('sidecar.maxTopics'),
  ),
  batchMaxMessages: setting(
    'LFH_SYNC_BATCH_MAX_MESSAGES',
    wholeNumber(1, MAX_BATCH_MESSAGES),
    2000,
    'Most messages in one transaction.',
    reloadableFrom('sidecar.batch.maxMessages'),
  ),
  batchMaxBytes: setting(
    'LFH_SYNC_BATCH_MAX_BYTES',
    wholeNumber(65_536, 268_435_456),
    8_388_608,
    'Most bytes of messages in one transaction. Up to about seven times as much memory is used for each peer.',
    reloadableFrom('sidecar.batch.maxBytes'),
  ),
  batchMaxAgeMs: setting(
    'LFH_SYNC_BATCH_MAX_AGE_MS',
    wholeNumber(0, 10_000),
    100,
    'Longest that a message waits for more while the peer has a backlog, in milliseconds. Without a backlog no message waits.',
    reloadableFrom('sidecar.batch.maxAgeMilliseconds'),
  ),
  maxMessageBytes: setting(
    'LFH_SYNC_MAX_MESSAGE_BYTES',
    wholeNumber(1, 67_108_864),
    1_048_576,
    'Largest message accepted from a peer, in bytes; larger ones are rejected. Topics that the sidecar makes take such messages; those that exist must be set so (docs/sidecar.md, "Large messages").',
    reloadableFrom('sidecar.maxMessageBytes'),
  ),
  httpAddress: setting(
    'LFH_SYNC_HTTP_ADDRESS',
    hostPort,
    everyAddress(SIDECAR_HTTP_PORT),
    'Where /healthz, /readyz, /status and /metrics are served. [::] is every address, of IPv4 and of IPv6; port 0 takes any free one.',
    from('sidecar.httpPort'),
  ),
  logLevel: setting(
    'LFH_SYNC_LOG_LEVEL',
    oneOf(LOG_LEVELS),
    'info',
    "How much is logged. trace has connect's own lines, one or more per message.",
    reloadableFrom('sidecar.logLevel'),
  ),
} as const;

/**
 * How messages to a person name a setting: by the field of the resource, for those who work with the operator, and by its own
 * name, for those who run sidecars themselves.
 */
export function settingText(key: keyof typeof SETTINGS): string {
  const { name, field } = SETTINGS[key];
  return field === undefined ? name : `${field} (${name})`;
}

export type Settings = {
  readonly [Key in keyof typeof SETTINGS]: (typeof SETTINGS)[Key] extends Setting<infer Value> ? Value : never;
};

/**
 * Decodes every setting.
 *
 * @param find the text of a setting by its name; undefined when it is absent
 * @throws InvalidInputError naming the setting, the place in it and what is expected; never with the value, which may be a
 *   secret in the wrong place
 */
export function decodeSettings(find: (name: string) => string | undefined): Settings {
  const decoded: Record<string, unknown> = {};
  for (const [key, setting] of Object.entries(SETTINGS)) {
    decoded[key] = decodeSetting<unknown>(setting, find(setting.name));
  }
  const settings = decoded as unknown as Settings;
  requireConsistency(settings);
  return settings;
}

/** Encodes settings, for a ConfigMap or an environment; what is absent stays absent. Decodes to the same again. */
export function encodeSettings(settings: Partial<Settings>): Record<string, string> {
  const encoded: Record<string, string> = {};
  for (const [key, { name, shape }] of Object.entries(SETTINGS)) {
    const value = settings[key as keyof Settings];
    if (value !== undefined) encoded[name] = (shape as Shape<unknown>).encode(value);
  }
  return encoded;
}

function requireConsistency(settings: Settings): void {
  if (settings.syncSubscribers.length > 0) {
    throw new InvalidInputError(
      'NATS_SYNC_SUBSCRIBERS: must be [] where lfh-sync runs, or connect replays the same messages a second time; move its ' +
        `servers to ${settingText('peers')}`,
    );
  }
  const own = settings.peers.findIndex(({ lfhId }) => lfhId === settings.lfhId);
  if (own >= 0)
    throw new InvalidInputError(`LFH_SYNC_PEERS[${own}].lfhId: is this node's own, ${settingText('lfhId')}`);
  if (settings.kafkaSaslMechanism && !(settings.kafkaSaslUsername && settings.kafkaSaslPasswordFile)) {
    throw new InvalidInputError(
      `${settingText('kafkaSaslMechanism')} needs ${settingText('kafkaSaslUsername')} and ` +
        `${settingText('kafkaSaslPasswordFile')} as well`,
    );
  }
}

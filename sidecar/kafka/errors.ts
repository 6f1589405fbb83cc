import { settingText } from '../../common/contract/settings.ts';
import { FencedError, messageOf, ReportedError, TransientError, UncertainCommitError } from '../../common/errors.ts';
import { tlsProblem } from './client.ts';

/** Translates what kafkajs throws into our own errors. kafkajs wraps errors in errors; the cause that counts is inside. */

const FENCED = new Set([
  'INVALID_PRODUCER_EPOCH',
  'PRODUCER_FENCED',
  'INVALID_PRODUCER_ID_MAPPING',
  'UNKNOWN_PRODUCER_ID',
  'INVALID_TXN_STATE',
]);

/** What somebody has to change at our own Kafka, by the error type of Kafka's protocol. */
const REFUSED: Readonly<Record<string, string>> = {
  SASL_AUTHENTICATION_FAILED: `check ${settingText('kafkaSaslUsername')} and the password of ${settingText('kafkaSaslPasswordFile')}`,
  ILLEGAL_SASL_STATE: `check ${settingText('kafkaSaslMechanism')}`,
  UNSUPPORTED_SASL_MECHANISM: `check ${settingText('kafkaSaslMechanism')}`,
  TOPIC_AUTHORIZATION_FAILED: 'allow this sidecar to create, describe, describe-configs, read and write its topics',
  GROUP_AUTHORIZATION_FAILED: 'allow this sidecar to read the consumer groups that begin with lfh-sync.',
  CLUSTER_AUTHORIZATION_FAILED: 'allow this sidecar idempotent writes',
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    'allow this sidecar to write (and describe) the transactional ids that begin with lfh-sync.',
  KAFKA_STORAGE_ERROR: "Kafka cannot write to its disk: make room or look at the broker's log",
  POLICY_VIOLATION: 'a policy of the broker (create.topic.policy.class.name) forbids it',
  INVALID_CONFIG: 'the broker does not accept the settings of a new topic',
  INVALID_PARTITIONS: `correct ${settingText('newTopicPartitions')}`,
  INVALID_REPLICATION_FACTOR: `set ${settingText('newTopicReplicationFactor')} to at most the number of brokers`,
  NOT_ENOUGH_REPLICAS: 'too few brokers are up for min.insync.replicas',
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: 'too few brokers are up for min.insync.replicas',
  INVALID_RECORD:
    'set cleanup.policy=delete there: a compacted topic takes no record without a key, and messages have none',
  INVALID_TIMESTAMP:
    "compare the clocks of this machine and of the broker, and see the topic's message.timestamp.*.max.ms",
  INVALID_TRANSACTION_TIMEOUT: 'set transaction.max.timeout.ms of the brokers to at least 10000',
  INVALID_SESSION_TIMEOUT: 'group.min.session.timeout.ms of the brokers may be at most 6000',
};

const TOO_LARGE = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE']);

/** Kafka answers so for each part of a request that it did not try because of another part. It is never the cause. */
const NOT_ATTEMPTED = 'OPERATION_NOT_ATTEMPTED';

/** Thrown when a topic takes smaller records than it did when its limits were read. */
export class RecordTooLargeError extends TransientError {}

/** What Kafka answers while a leader or a coordinator moves, or is still busy with the transaction before: it passes. */
const PASSING: ReadonlySet<string> = new Set([
  'CONCURRENT_TRANSACTIONS',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_FOR_PARTITION',
  'REPLICA_NOT_AVAILABLE',
  'NOT_ENOUGH_REPLICAS',
  'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  'NETWORK_EXCEPTION',
  'KAFKA_STORAGE_ERROR',
  'GROUP_LOAD_IN_PROGRESS',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR_FOR_GROUP',
]);

/** What kafkajs throws when a connection is lost, or a broker that it knew is gone. */
const CONNECTION_LOST: ReadonlySet<string> = new Set([
  'KafkaJSConnectionError',
  'KafkaJSConnectionClosedError',
  'KafkaJSBrokerNotFound',
]);

/** Thrown where a connection is lost before a request was sent, or a partition has no leader that is known. */
export class NoLeaderError extends TransientError {
  constructor(message: string) {
    super('KafkaUnavailable', message);
  }
}

/**
 * Whether a request may be sent once more after an error. It has to be one that Kafka recognizes when it comes twice: record
 * batches by their sequence numbers, the end of a transaction by its producer's epoch.
 */
export function mayPass(error: unknown): boolean {
  if (error instanceof NoLeaderError) return true;
  if (error instanceof ReportedError) return false;
  const type = protocolError(error)?.type;
  return type === undefined ? isConnectionLost(error) : PASSING.has(type);
}

function isConnectionLost(error: unknown): boolean {
  return error instanceof Error && (CONNECTION_LOST.has(error.name) || isConnectionLost(error.cause));
}

/** Whether a partition has no leader, or one of the topic that was asked for: kafkajs then tells nothing of the others. */
export function isLeaderless(error: unknown): boolean {
  return error instanceof NoLeaderError || protocolError(error)?.type === 'LEADER_NOT_AVAILABLE';
}

/** The error where a transaction may be open in a topic without a leader. */
export function waitsForLeader(topics: readonly string[], cause: unknown): TransientError {
  return new TransientError(
    'KafkaUnavailable',
    `${topics.join(', ')} has no leader in some partition, and a part of the last transaction may have been left open there, which ` +
      'would be lost if we went on: start the brokers that have it. Where these are gone for good, elect another leader ' +
      '(kafka-leader-election.sh --election-type UNCLEAN) or delete the topic',
    { cause },
  );
}

/** The name of what kafkajs throws when a broker does not accept a user and password. */
const SIGN_IN_FAILED = 'KafkaJSSASLAuthenticationError';

/** An error of Kafka's protocol. */
export interface ProtocolError {
  /** Its name, such as `TOPIC_AUTHORIZATION_FAILED`. */
  readonly type: string;
  /** The topic that the broker answered so for, where patches/kafkajs+2.2.4.patch keeps it. */
  readonly topic?: string | undefined;
  /** What the broker says about it, such as the text of a policy. */
  readonly brokerMessage?: string | undefined;
}

interface Wrapped extends Error {
  readonly type?: unknown;
  readonly topic?: unknown;
  readonly brokerMessage?: unknown;
  readonly originalError?: unknown;
  /** Of an aggregate error. */
  readonly errors?: unknown;
}

/** Enough for every chain that kafkajs makes; an error that contains itself ends here. */
const MAX_WRAPPED = 50;

/** The protocol error that is the cause, wherever kafkajs has put it: behind `cause` or `originalError`, or in an aggregate. */
export function protocolError(error: unknown): ProtocolError | undefined {
  const found: ProtocolError[] = [];
  const open: unknown[] = [error];
  for (let seen = 0; open.length > 0 && seen < MAX_WRAPPED; seen += 1) {
    const at = open.shift();
    if (!(at instanceof Error)) continue;
    const { type, topic, brokerMessage, cause, originalError, errors } = at as Wrapped;
    if (typeof type === 'string') found.push({ type, topic: text(topic), brokerMessage: text(brokerMessage) });
    // kafkajs makes it of Kafka's code and text, and keeps only the text.
    if (at.name === SIGN_IN_FAILED) found.push({ type: 'SASL_AUTHENTICATION_FAILED', brokerMessage: text(at.message) });
    open.push(cause, originalError, ...(Array.isArray(errors) ? errors : []));
  }
  const causes = found.filter(({ type }) => type !== NOT_ATTEMPTED);
  // The same error may be wrapped with its type and without its topic.
  return causes.find(({ topic }) => topic !== undefined) ?? causes[0] ?? found[0];
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** What a request was about, for errors whose answer does not say it. */
export interface Requested {
  readonly topic?: string;
  /** Kafka's name of the right that the request needs on a topic, such as `WRITE`. */
  readonly right?: string;
}

/** For requests whose failure leaves nothing behind. `doing` completes "could not …". */
export function translate(error: unknown, doing: string, requested: Requested = {}): Error {
  if (error instanceof ReportedError) return error;
  const options = { cause: error };
  const found = protocolError(error);
  if (found === undefined) {
    if (!isOfKafka(error)) return error as Error;
    const cause = tlsProblem(error) ?? error;
    return new TransientError('KafkaUnavailable', `could not ${doing}: ${messageOf(cause)}`, { cause });
  }
  if (FENCED.has(found.type)) {
    return new FencedError(
      `another sidecar has taken this peer over (${found.type} while trying to ${doing})`,
      options,
    );
  }
  const topic = found.topic ?? requested.topic;
  const problem = `could not ${doing}: ${describe(found, topic)}`;
  if (TOO_LARGE.has(found.type)) {
    return new RecordTooLargeError('KafkaRefused', `${problem}; Kafka took a record for too large`, options);
  }
  const advice = adviceFor(found.type, topic, requested.right);
  if (advice !== undefined) return new TransientError('KafkaRefused', `${problem}; ${advice}`, options);
  return new TransientError('KafkaUnavailable', `${problem}: ${messageOf(error)}`, options);
}

function describe({ type, brokerMessage }: ProtocolError, topic: string | undefined): string {
  const of = topic === undefined ? '' : ` for the topic ${topic}`;
  return `${type}${of}${brokerMessage === undefined ? '' : ` (${brokerMessage})`}`;
}

function adviceFor(type: string, topic: string | undefined, right: string | undefined): string | undefined {
  if (type === 'TOPIC_AUTHORIZATION_FAILED' && topic !== undefined && right !== undefined) {
    return `allow this sidecar ${right} on the topic ${topic}`;
  }
  return REFUSED[type];
}

/**
 * For sending and committing. A failure that is neither a fence nor a refusal leaves open whether the batch was committed,
 * and the next take-over finds out.
 */
export function translateInTransaction(error: unknown, doing: string, requested: Requested = {}): Error {
  const translated = translate(error, doing, requested);
  if (!(translated instanceof TransientError) || translated.reason === 'KafkaRefused') return translated;
  return new UncertainCommitError(`${translated.message}; the next take-over finds out whether it was committed`, {
    cause: error,
  });
}

/**
 * What kafkajs throws, as an error without a name of its own, for a request over a connection that another request is still
 * setting up.
 */
const NOT_CONNECTED = 'Broker not connected';

/**
 * kafkajs names all its errors alike, but for one. An error with another name is a bug of ours or of kafkajs, and retrying
 * would hide it.
 */
function isOfKafka(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error.name.startsWith('KafkaJS') || 'code' in error || error.message === NOT_CONNECTED;
}

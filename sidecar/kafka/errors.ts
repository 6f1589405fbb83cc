import { FencedError, messageOf, TransientError, UncertainCommitError } from '../../common/errors.ts';
import { tlsProblem } from './client.ts';

/** Translates what kafkajs throws. It wraps errors in errors; the protocol's own error type is somewhere in the chain. */

const FENCED = new Set([
  'INVALID_PRODUCER_EPOCH',
  'PRODUCER_FENCED',
  'INVALID_PRODUCER_ID_MAPPING',
  'UNKNOWN_PRODUCER_ID',
  'INVALID_TXN_STATE',
]);

const REFUSED: Readonly<Record<string, string>> = {
  SASL_AUTHENTICATION_FAILED: 'check LFH_SYNC_KAFKA_SASL_USERNAME and the password file',
  ILLEGAL_SASL_STATE: 'check LFH_SYNC_KAFKA_SASL_MECHANISM',
  UNSUPPORTED_SASL_MECHANISM: 'check LFH_SYNC_KAFKA_SASL_MECHANISM',
  TOPIC_AUTHORIZATION_FAILED: 'allow this sidecar to create, describe, describe-configs, read and write its topics',
  GROUP_AUTHORIZATION_FAILED: 'allow this sidecar to read the consumer groups that begin with lfh-sync.',
  CLUSTER_AUTHORIZATION_FAILED: 'allow this sidecar idempotent writes',
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'allow this sidecar the transactional ids that begin with lfh-sync.',
  KAFKA_STORAGE_ERROR: "Kafka cannot write to its disk: make room or look at the broker's log",
  POLICY_VIOLATION: "a policy of the broker forbids it: look at the broker's log",
  INVALID_REPLICATION_FACTOR: 'set KAFKA_ADMIN_NEW_TOPIC_REPLICATION_FACTOR to at most the number of brokers',
  NOT_ENOUGH_REPLICAS: 'too few brokers are up for min.insync.replicas',
};

const TOO_LARGE = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE']);

/** Thrown when a topic takes smaller records than it did when its limits were read. */
export class RecordTooLargeError extends TransientError {}

/** The Kafka protocol's name of an error, wherever in the chain it is. */
export function protocolType(error: unknown): string | undefined {
  for (
    let at = error, depth = 0;
    at instanceof Error && depth < 10;
    at = at.cause ?? (at as Wrapped).originalError, depth += 1
  ) {
    const { type } = at as Wrapped;
    if (typeof type === 'string') return type;
  }
  return undefined;
}

interface Wrapped extends Error {
  type?: unknown;
  originalError?: unknown;
}

/** For requests whose failure leaves nothing behind. `doing` completes "could not …". */
export function translate(error: unknown, doing: string): Error {
  if (error instanceof TransientError || error instanceof FencedError || error instanceof UncertainCommitError)
    return error;
  const type = protocolType(error);
  const options = { cause: error };
  if (type !== undefined && FENCED.has(type)) {
    return new FencedError(`another sidecar has taken this peer over (${type} while trying to ${doing})`, options);
  }
  if (type !== undefined && TOO_LARGE.has(type)) {
    return new RecordTooLargeError(
      'KafkaRefused',
      `Kafka took a record for too large while trying to ${doing}`,
      options,
    );
  }
  const advice = type === undefined ? undefined : REFUSED[type];
  if (advice !== undefined)
    return new TransientError('KafkaRefused', `could not ${doing}: ${type}; ${advice}`, options);
  if (!isOfKafka(error)) return error as Error;
  const cause = tlsProblem(error) ?? error;
  return new TransientError('KafkaUnavailable', `could not ${doing}: ${messageOf(cause)}`, { cause });
}

/** For sending and committing: a failure that is not clearly a fence leaves the outcome to the next take-over to find out. */
export function translateInTransaction(error: unknown, doing: string): Error {
  const translated = translate(error, doing);
  if (!(translated instanceof TransientError) || translated.reason === 'KafkaRefused') return translated;
  return new UncertainCommitError(`${translated.message}; what became of it is found out at the next take-over`, {
    cause: error,
  });
}

/** kafkajs names all its errors alike; what is named otherwise is a bug of ours or of its, and is no reason to retry. */
function isOfKafka(error: unknown): boolean {
  return error instanceof Error && (error.name.startsWith('KafkaJS') || 'code' in error);
}

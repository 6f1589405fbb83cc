import { type ConnectionOptions as TlsOptions } from 'node:tls';
import { Kafka, type KafkaConfig, logLevel, type RetryOptions, type SASLOptions } from 'kafkajs';
import { settingText } from '../../common/contract/settings.ts';
import type { Logger } from '../../common/log.ts';
import { anchors, hungUpInHandshake, type TlsReason, tlsFailure } from '../../common/tls.ts';

/** How to reach the local Kafka. */
export interface KafkaConnection {
  readonly brokers: readonly string[];
  readonly clientId: string;
  /** Absent means no TLS. `ca` is PEM; without it the system's root certificates are trusted. */
  readonly tls?: { readonly ca?: string | undefined } | undefined;
  readonly sasl?: KafkaSasl | undefined;
  readonly log: Logger;
}

export interface KafkaSasl {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  readonly username: string;
  readonly password: string;
}

/**
 * Retries for requests that are made many times a second. A broker answers CONCURRENT_TRANSACTIONS for the few
 * milliseconds in which it finishes the previous transaction, and kafkajs's default wait of 300 ms would allow only 4
 * transactions a second. All retries together take about 1 s.
 */
export const QUICK_RETRY: RetryOptions = {
  initialRetryTime: 2,
  multiplier: 1.5,
  factor: 0.2,
  maxRetryTime: 100,
  retries: 20,
};

/**
 * Retries for requests that are not urgent. All retries together take about 5 s; after that our own backoff takes over and
 * the status says so.
 */
export const PATIENT_RETRY: RetryOptions = {
  initialRetryTime: 100,
  multiplier: 2,
  factor: 0.2,
  maxRetryTime: 2000,
  retries: 5,
};

/** For a caller that tries again by itself, and over another broker. */
export const NO_RETRY: RetryOptions = { retries: 0 };

/**
 * Makes a client; nothing connects yet.
 *
 * @param how in place of the connection's brokers and of kafkajs's own way to connect
 */
export function createClient(
  connection: KafkaConnection,
  retry: RetryOptions,
  how: Partial<Pick<KafkaConfig, 'brokers' | 'socketFactory'>> = {},
): Kafka {
  const config: KafkaConfig = {
    brokers: [...connection.brokers],
    clientId: connection.clientId,
    connectionTimeout: 3_000,
    authenticationTimeout: 5_000,
    requestTimeout: 10_000,
    retry,
    logLevel: logLevel.INFO,
    ...how,
    // Everything that matters is thrown and reported by us; kafkajs's own log lines are for debugging only. Its entries hold
    // names, numbers and stacks. Only the fields below are passed on.
    logCreator: () => (entry) => {
      const { message, groupId, broker, error, retryCount } = entry.log as Record<string, unknown>;
      connection.log.debug({ kafkajs: entry.namespace, groupId, broker, error, retryCount }, String(message));
    },
  };
  if (connection.tls) config.ssl = tlsOptions(connection.tls);
  if (connection.sasl) config.sasl = { ...connection.sasl } as SASLOptions;
  return new Kafka(config);
}

function tlsOptions(tls: { readonly ca?: string | undefined }): TlsOptions {
  return { minVersion: 'TLSv1.2', ...(tls.ca !== undefined && anchors(tls.ca)) };
}

const TLS_ADVICE: Readonly<Record<TlsReason, string>> = {
  CertificateExpired: 'renew it',
  CertificateNotYetValid: 'compare the clocks',
  HostNameMismatch: `have the host in ${settingText('kafkaBrokers')} and in advertised.listeners put into it`,
  NotTrusted: `${settingText('kafkaCaFile')} must hold the CA that issued it`,
  ClientCertificateRequired: 'lfh-sync has none, so set ssl.client.auth=none for that listener',
  TlsRequired: `compare ${settingText('kafkaTls')} with the listener in ${settingText('kafkaBrokers')}`,
};

/**
 * An error with what a failure of TLS with a broker means and what to do, without OpenSSL's words; undefined where the error is
 * about something else.
 */
export function tlsProblem(error: unknown): Error | undefined {
  // What a listener without TLS does, since it takes the handshake for the size of a request that is too large.
  if (hungUpInHandshake(error)) {
    return new Error(`the broker hung up in the middle of the TLS handshake: ${TLS_ADVICE.TlsRequired}`);
  }
  const failure = tlsFailure(error);
  if (!failure) return undefined;
  return new Error(`TLS with the broker failed, ${failure.what} (${failure.code}): ${TLS_ADVICE[failure.reason]}`);
}

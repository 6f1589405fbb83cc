import { type NatsConnection, RequestStrategy } from 'nats';
import { TransientError } from '../../common/errors.ts';
import type { Connected } from './connection.ts';
import { isNoResponders, type Place, translate } from './errors.ts';
import { isObject } from './json.ts';

/** Error codes of JetStream's API, from nats-server's `server/errors.json`. */
export const API_ERRORS = {
  consumerNotFound: 10014,
  streamNotFound: 10059,
  cannotUpdate: 10012,
  notEnabled: 10076,
  notEnabledForAccount: 10039,
  pushConsumer: 10080,
} as const;

const ANSWER_TIMEOUT_MS = 5000;
/** No honest sidecars send more: the status of one with 200 peers has 100 KB. */
const MAX_ANSWERS = 1_000;
const MAX_ANSWERS_BYTES = 8 * 1024 * 1024;

interface ApiAnswer {
  readonly error?: { readonly code?: number; readonly err_code?: number; readonly description?: string };
}

/** JetStream has answered that it does not do what it was asked for. */
export class JetStreamRefusal extends TransientError {
  /**
   * Whether asking again cannot help: a limit is reached, or a value is not allowed. JetStream says so with a code of 400 to 499,
   * and with 500 to 599 where a server or its storage is not available now.
   */
  readonly lasting: boolean;

  constructor(message: string, lasting: boolean) {
    super('Unreachable', message);
    this.lasting = lasting;
  }
}

/**
 * Sends a request to JetStream's API.
 *
 * @param expected error codes that the caller handles
 * @returns undefined where JetStream answers with one of those
 * @throws TransientError for any other error, and where there is no JetStream
 */
export async function askJetStream<Answer>(
  { connection, place }: Connected,
  operation: string,
  body: object = {},
  expected: readonly number[] = [],
): Promise<Answer | undefined> {
  let answer: Answer & ApiAnswer;
  try {
    const options = { timeout: ANSWER_TIMEOUT_MS };
    answer = (await connection.request(`$JS.API.${operation}`, JSON.stringify(body), options)).json();
  } catch (error) {
    throw isNoResponders(error) ? withoutJetStream(place, error) : translate(await causeOf(connection, error), place);
  }
  if (!isObject(answer)) throw unreadable(place, operation);
  const { error } = answer;
  if (error === undefined) return answer;
  if (expected.includes(error.err_code ?? 0)) return undefined;
  throw refused(place, operation, error);
}

function refused(place: Place, operation: string, error: NonNullable<ApiAnswer['error']>): TransientError {
  const { code: status = 0, err_code: code = 0, description = 'no reason given' } = error;
  if (code === API_ERRORS.notEnabled || code === API_ERRORS.notEnabledForAccount) return withoutJetStream(place);
  const hint = code === API_ERRORS.streamNotFound ? '; connect makes its stream when it starts: is it running?' : '';
  const message = `JetStream on NATS server ${place.server} refuses ${operation}: ${description} (${code})${hint}`;
  return code === API_ERRORS.streamNotFound
    ? new TransientError('Unreachable', message)
    : new JetStreamRefusal(message, status >= 400 && status < 500);
}

function unreadable({ server }: Place, operation: string): TransientError {
  const message = `NATS server ${server} answers ${operation} with what JetStream never answers: is it a nats-server?`;
  return new TransientError('Unreachable', message);
}

function withoutJetStream({ server, publicKey }: Place, cause?: unknown): TransientError {
  return new TransientError(
    'PermissionDenied',
    `NATS server ${server} has no JetStream for the account of ${publicKey}: give the server a jetstream block, and write ` +
      '"jetstream: enabled" into the block of that account',
    cause === undefined ? undefined : { cause },
  );
}

/** What has ended a request: when the connection was closed, the library says only that nobody has answered in time. */
async function causeOf(connection: NatsConnection, error: unknown): Promise<unknown> {
  return connection.isClosed() ? ((await connection.closed()) ?? error) : error;
}

/**
 * Asks everyone who listens on a subject, and collects their answers until none has come for 300 ms, the time is up, or
 * there are more than there can be. The library's own time-out counts only while nobody answers: without the deadline
 * here, a service that sends an answer every 250 ms would keep the caller waiting for ever.
 *
 * @param read what to keep of an answer. It is called as each comes, so that not all of them are in memory at once
 * @returns an empty list where nobody listens
 */
export async function askAll<Answer>(
  { connection, place }: Connected,
  subject: string,
  body: string,
  timeoutMs: number,
  read: (answer: string) => Answer,
): Promise<Answer[]> {
  const answers: Answer[] = [];
  const deadline = performance.now() + timeoutMs;
  let bytes = 0;
  try {
    const options = { strategy: RequestStrategy.JitterTimer, maxWait: timeoutMs, noMux: true };
    for await (const answer of await connection.requestMany(subject, body, options)) {
      bytes += answer.data.length;
      if (bytes > MAX_ANSWERS_BYTES) break;
      answers.push(read(answer.string()));
      if (answers.length >= MAX_ANSWERS || performance.now() > deadline) break;
    }
  } catch (error) {
    if (!isNoResponders(error)) throw translate(await causeOf(connection, error), place);
  }
  return answers;
}

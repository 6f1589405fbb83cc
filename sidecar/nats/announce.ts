import { createInbox, headers, type Msg, type MsgHdrs, type NatsConnection, type Subscription } from 'nats';
import { clean } from '../../common/clean.ts';
import { TransientError } from '../../common/errors.ts';
import type { Announced, Announcement } from '../ports.ts';
import type { LocalConnected } from './connect-local.ts';
import { LOCAL_NATS, translate } from './errors.ts';
import { ask } from './request.ts';

/** How much is sent before its confirmations are waited for. What is sent and not confirmed may be announced again. */
const CHUNK = { bytes: 1024 * 1024, messages: 128 };
/** JetStream's code for a message that is larger than max_msg_size of the stream. */
const MESSAGE_TOO_LARGE = 10054;
/** How long the confirmations before the last one may come after it. */
const LATE_MS = 5_000;

/**
 * Publishes each message on its own, and has JetStream confirm each: one that is refused between others that are stored, as while
 * a stream changes its leader, would otherwise be lost in silence. One that is too large for the server or for the stream would be
 * refused for ever: it is left out, so that others are announced.
 *
 * @param inboxPrefix where the connection's user may receive confirmations
 */
export async function announce(
  connected: LocalConnected,
  subject: string,
  inboxPrefix: string,
  messages: readonly Announcement[],
): Promise<Announced> {
  const limit = maxPayload(connected.connection);
  const tooLarge: number[] = [];
  const fitting: number[] = [];
  for (const [index, message] of messages.entries()) (sizeOf(message) > limit ? tooLarge : fitting).push(index);
  for (const chunk of chunks(messages, fitting)) {
    const announcements = chunk.map((index) => messages[index] as Announcement);
    const { settled, refused, problem } = await send(connected, subject, inboxPrefix, announcements);
    tooLarge.push(...refused.map((index) => chunk[index] as number));
    if (problem) {
      const done = chunk[settled] as number;
      return { done, tooLarge: ascending(tooLarge.filter((index) => index < done)), problem };
    }
  }
  return { done: messages.length, tooLarge: ascending(tooLarge) };
}

function ascending(indexes: readonly number[]): number[] {
  return indexes.toSorted((one, other) => one - other);
}

interface Sent {
  /** How many of the first the stream has confirmed, or refused for their size. */
  readonly settled: number;
  /** Indexes of those that it has refused for their size. */
  readonly refused: readonly number[];
  readonly problem?: TransientError;
}

async function send(
  connected: LocalConnected,
  subject: string,
  inboxPrefix: string,
  messages: readonly Announcement[],
): Promise<Sent> {
  const before = messages.slice(0, -1);
  const last = messages.at(-1) as Announcement;
  const confirmations = new Confirmations(connected, subject, inboxPrefix, before.length);
  try {
    before.forEach(({ id, payload }, index) => confirmations.publish(index, payload, withId(id)));
    const confirmation = await ask(connected, subject, last.payload, withId(last.id));
    if (!confirmation) throw new TransientError('Unreachable', noStream(subject));
    await confirmations.complete();
    const isStored = readConfirmation(confirmation, subject) === 'stored';
    const refused = isStored ? confirmations.refused : [...confirmations.refused, before.length];
    return { settled: messages.length, refused };
  } catch (error) {
    const problem = error instanceof TransientError ? error : translate(error, connected.remote);
    return { settled: confirmations.inOrder, refused: confirmations.refused, problem };
  } finally {
    confirmations.end();
  }
}

/** The confirmations of the messages of a chunk before its last one. */
class Confirmations {
  readonly #connection: NatsConnection;
  readonly #subject: string;
  readonly #inbox: string;
  readonly #expected: number;
  readonly #subscription: Subscription;
  readonly #settled = new Map<number, Outcome>();
  readonly #all = Promise.withResolvers<void>();

  constructor({ connection, remote }: LocalConnected, subject: string, inboxPrefix: string, expected: number) {
    this.#connection = connection;
    this.#subject = subject;
    this.#inbox = createInbox(inboxPrefix);
    this.#expected = expected;
    // Nobody may be waiting for it.
    this.#all.promise.catch(() => undefined);
    this.#subscription = connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error) this.#all.reject(translate(error, remote));
        else this.#received(message);
      },
    });
    if (expected === 0) this.#all.resolve();
  }

  /** How many of the first are confirmed, or too large. */
  get inOrder(): number {
    let count = 0;
    while (this.#settled.has(count)) count += 1;
    return count;
  }

  /** Indexes of those that are too large for the stream. */
  get refused(): number[] {
    return [...this.#settled].filter(([, outcome]) => outcome === 'too large').map(([index]) => index);
  }

  publish(index: number, payload: Uint8Array, fields: MsgHdrs): void {
    this.#connection.publish(this.#subject, payload, { headers: fields, reply: `${this.#inbox}.${index}` });
  }

  /** Waits for those that are still on their way. @throws TransientError when one was refused, or has not come */
  async complete(): Promise<void> {
    const timer = setTimeout(() => this.#all.reject(this.#missing()), LATE_MS);
    try {
      await this.#all.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  end(): void {
    this.#subscription.unsubscribe();
  }

  #received(message: Msg): void {
    let outcome: Outcome;
    try {
      outcome = readConfirmation(message, this.#subject);
    } catch (error) {
      this.#all.reject(error);
      return;
    }
    this.#settled.set(Number(message.subject.slice(this.#inbox.length + 1)), outcome);
    if (this.#settled.size === this.#expected) this.#all.resolve();
  }

  #missing(): TransientError {
    const missing = this.#expected - this.#settled.size;
    return new TransientError(
      'Unreachable',
      `${LOCAL_NATS} has not confirmed ${missing} message(s) on ${this.#subject}`,
    );
  }
}

/** @param indexes of the messages to send */
function* chunks(messages: readonly Announcement[], indexes: readonly number[]): Generator<readonly number[]> {
  let chunk: number[] = [];
  let bytes = 0;
  for (const index of indexes) {
    chunk.push(index);
    bytes += messages[index]?.payload.byteLength ?? 0;
    if (bytes < CHUNK.bytes && chunk.length < CHUNK.messages) continue;
    yield chunk;
    chunk = [];
    bytes = 0;
  }
  if (chunk.length > 0) yield chunk;
}

/** The size as the server counts it: with `NATS/1.0`, the one header and the line ends. */
function sizeOf({ id, payload }: Announcement): number {
  return payload.byteLength + Buffer.byteLength(id) + 27;
}

function maxPayload(connection: NatsConnection): number {
  return connection.info?.max_payload ?? Number.POSITIVE_INFINITY;
}

function withId(id: string): MsgHdrs {
  const fields = headers();
  fields.set('Nats-Msg-Id', id);
  return fields;
}

type Outcome = 'stored' | 'too large';

/** @throws TransientError where the stream has refused the message for another reason than its size */
function readConfirmation(confirmation: Msg, subject: string): Outcome {
  let error: { readonly err_code?: unknown; readonly description?: unknown } | undefined;
  try {
    // Where nothing listens on the subject, the server's answer is empty.
    ({ error } = JSON.parse(confirmation.string()) as { error?: typeof error });
  } catch {
    throw new TransientError('Unreachable', noStream(subject));
  }
  if (error?.err_code === MESSAGE_TOO_LARGE) return 'too large';
  if (error)
    throw new TransientError(
      'Unreachable',
      `${LOCAL_NATS} does not store ${subject}: ${clean(String(error.description))}`,
    );
  return 'stored';
}

function noStream(subject: string): string {
  return `${LOCAL_NATS} has no stream that takes ${subject}: is connect running? It makes the stream EVENTS at its start`;
}

import { headers, type MsgHdrs, type NatsConnection } from 'nats';
import { delay, sleep } from '../../common/backoff.ts';
import { messageOf, TransientError } from '../../common/errors.ts';
import type { AnnouncePort } from '../ports.ts';
import { type Connected, connectNats, type NatsOptions } from './connection.ts';
import { clean, translate } from './errors.ts';
import { ask } from './request.ts';

export interface AnnounceOptions extends Omit<NatsOptions, 'server' | 'owner'> {
  /** The servers of the node's own NATS; one is used at a time. */
  readonly servers: readonly string[];
  /** `EVENTS.app_sync` */
  readonly subject: string;
}

/** As {@link AnnouncePort}, with an end. */
export interface Announcer extends AnnouncePort {
  close(): Promise<void>;
}

type Announcement = Parameters<AnnouncePort['announce']>[0][number];

const OWNER = "this node's NATS";
/** What is sent before the server is asked whether it keeps up; the library would hold all of it otherwise. */
const CHUNK_BYTES = 1024 * 1024;

/** Starts connecting to the node's own NATS, and goes on trying; never throws for a server that is down. */
export function openAnnouncer(options: AnnounceOptions): Announcer {
  return new LocalAnnouncer(options);
}

class LocalAnnouncer implements Announcer {
  readonly #options: AnnounceOptions;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #connected: Connected | undefined;
  #problem = new TransientError('Unreachable', `${OWNER} is not connected yet`);

  constructor(options: AnnounceOptions) {
    this.#options = options;
    this.#running = this.#keepConnected();
  }

  /**
   * Every message is published for itself, and only the last of a chunk asks for JetStream's confirmation: the stream takes
   * them in order, so that one stands for all, and a stream or a permission that is missing shows.
   *
   * @throws TransientError at once while there is no connection; the caller decides what that is worth
   */
  async announce(messages: readonly Announcement[]): Promise<void> {
    if (!this.#connected) throw this.#problem;
    const connected = this.#connected;
    const fitting = messages.filter((message) => sizeOf(message) <= maxPayload(connected.connection));
    for (const chunk of chunks(fitting)) await this.#send(connected, chunk);
    if (fitting.length < messages.length) {
      throw new TransientError(
        'PermissionDenied',
        `${messages.length - fitting.length} message(s) are larger than max_payload of ${OWNER}: raise it to what the ` +
          "peers' NATS servers have",
      );
    }
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#connected?.connection.close();
    await this.#running;
  }

  async #send(connected: Connected, messages: readonly Announcement[]): Promise<void> {
    const { connection, remote } = connected;
    const { subject } = this.#options;
    const last = messages.at(-1) as Announcement;
    try {
      for (const { id, payload } of messages.slice(0, -1)) {
        connection.publish(subject, payload, { headers: withId(id) });
      }
    } catch (error) {
      throw translate(error, remote);
    }
    const confirmation = await ask(connected, subject, last.payload, withId(last.id));
    if (!confirmation) throw new TransientError('Unreachable', noStream(subject));
    throwIfRefused(confirmation.string(), subject);
  }

  async #keepConnected(): Promise<void> {
    const { servers } = this.#options;
    const { signal } = this.#stop;
    let failures = 0;
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      try {
        const connected = await connectNats({
          ...this.#options,
          server: servers[attempt % servers.length] ?? '',
          owner: OWNER,
        });
        failures = 0;
        this.#connected = connected;
        if (signal.aborted) await connected.connection.close();
        const error = await connected.connection.closed();
        this.#problem = translate(error ?? undefined, connected.remote);
      } catch (error) {
        this.#problem =
          error instanceof TransientError
            ? error
            : new TransientError('Unreachable', messageOf(error), { cause: error });
      }
      this.#connected = undefined;
      if (signal.aborted) return;
      failures += 1;
      this.#options.log.warn(
        { reason: this.#problem.reason, problem: messageOf(this.#problem) },
        `${OWNER} is not connected`,
      );
      await sleep(delay(failures, Math.random()), signal);
    }
  }
}

function* chunks(messages: readonly Announcement[]): Generator<readonly Announcement[]> {
  let chunk: Announcement[] = [];
  let bytes = 0;
  for (const message of messages) {
    chunk.push(message);
    bytes += message.payload.byteLength;
    if (bytes < CHUNK_BYTES) continue;
    yield chunk;
    chunk = [];
    bytes = 0;
  }
  if (chunk.length > 0) yield chunk;
}

/** As the server counts it: `NATS/1.0`, the one header and the line ends included. */
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

function throwIfRefused(confirmation: string, subject: string): void {
  let error: { description?: unknown } | undefined;
  try {
    ({ error } = JSON.parse(confirmation) as { error?: { description?: unknown } });
  } catch {
    throw new TransientError('Unreachable', noStream(subject));
  }
  if (error)
    throw new TransientError('Unreachable', `${OWNER} does not store ${subject}: ${clean(String(error.description))}`);
}

function noStream(subject: string): string {
  return `${OWNER} has no stream that takes ${subject}: is connect running? It makes the stream EVENTS at its start`;
}

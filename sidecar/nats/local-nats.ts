import { delay, sleep } from '../../common/backoff.ts';
import { messageOf, TransientError } from '../../common/errors.ts';
import type { Announcement, AnnouncePort } from '../ports.ts';
import { announce } from './announce.ts';
import { type Connected, connectNats, type NatsOptions } from './connection.ts';
import { connectWithCurrentKey, KEY_RETRY_MS } from './current-key.ts';
import { LOCAL_NATS, translate } from './errors.ts';
import { type StatusService, serveStatus } from './status-service.ts';

export interface LocalNatsOptions extends Omit<NatsOptions, 'server' | 'owner'> {
  /** The servers of the node's local NATS; one is used at a time. */
  readonly servers: readonly string[];
  /** Where messages are announced: `EVENTS.app_sync`. */
  readonly subject: string;
  /** What is answered there, for as long as there is a connection. */
  readonly service: StatusService;
  /** How often the current key is tried while the server accepts only the previous one. */
  readonly keyRetryMs?: number | undefined;
}

/** The connection to the node's local NATS: announces, and tells the status. */
export interface LocalNats extends AnnouncePort {
  /** Public key that the server accepted, or why there is no connection. */
  readonly state: { readonly key: string | null; readonly message: string };
  /** Resolves when the first attempt to connect has come to its end, whichever. */
  readonly tried: Promise<void>;
  /** Finishes what is being announced first. */
  close(): Promise<void>;
}

/** Starts connecting to the node's local NATS, and goes on trying; never throws for a server that is down. */
export function openLocalNats(options: LocalNatsOptions): LocalNats {
  return new KeptConnection(options);
}

class KeptConnection implements LocalNats {
  readonly #options: LocalNatsOptions;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  readonly #tried = Promise.withResolvers<void>();
  #connected: Connected | undefined;
  #problem = new TransientError('Unreachable', `${LOCAL_NATS} is not connected yet`);
  #announcing: Promise<void> = Promise.resolve();

  constructor(options: LocalNatsOptions) {
    this.#options = options;
    this.#running = this.#keepConnected();
  }

  get state(): LocalNats['state'] {
    if (!this.#connected) return { key: null, message: messageOf(this.#problem) };
    return { key: this.#connected.remote.publicKey, message: '' };
  }

  get tried(): Promise<void> {
    return this.#tried.promise;
  }

  /** @throws TransientError at once while there is no connection; the caller decides what that is worth */
  async announce(messages: readonly Announcement[]): Promise<void> {
    if (!this.#connected) throw this.#problem;
    const announced = announce(this.#connected, this.#options.subject, messages);
    this.#announcing = announced.catch(() => undefined);
    await announced;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#announcing;
    await this.#connected?.connection.close();
    await this.#running;
  }

  async #keepConnected(): Promise<void> {
    const { servers, log } = this.#options;
    const { signal } = this.#stop;
    let failures = 0;
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      try {
        const options = { ...this.#options, server: servers[attempt % servers.length] ?? '', owner: LOCAL_NATS };
        const last = await this.#stay(options, await connectNats(options));
        failures = 0;
        const error = await last.connection.closed();
        this.#problem = translate(error ?? undefined, last.remote);
      } catch (error) {
        this.#problem =
          error instanceof TransientError
            ? error
            : new TransientError('Unreachable', messageOf(error), { cause: error });
      }
      this.#connected = undefined;
      this.#tried.resolve();
      if (signal.aborted) return;
      failures += 1;
      log.warn({ reason: this.#problem.reason, problem: messageOf(this.#problem) }, `${LOCAL_NATS} is not connected`);
      await sleep(delay(failures, Math.random()), signal);
    }
  }

  /** Stays connected until the server or {@link close} ends it. @returns the connection that was ended */
  async #stay(options: NatsOptions, first: Connected): Promise<Connected> {
    this.#connected = first;
    if (this.#stop.signal.aborted) await first.connection.close();
    await this.#serve(first);
    this.#tried.resolve();
    const next = first.onPreviousKey ? await this.#withCurrentKey(options, first) : undefined;
    if (!next) return first;
    // The newer one is used before the older one is closed, so that nothing is announced in vain.
    const underWay = this.#announcing;
    this.#connected = next;
    await underWay;
    await first.connection.close();
    options.log.info({ server: next.remote.server, key: next.remote.publicKey }, 'signed in with the current key');
    if (this.#stop.signal.aborted) await next.connection.close();
    await this.#serve(next);
    return next;
  }

  #withCurrentKey(options: NatsOptions, { connection }: Connected): Promise<Connected | undefined> {
    const ended = new AbortController();
    void connection.closed().then(() => ended.abort());
    return connectWithCurrentKey(options, this.#options.keyRetryMs ?? KEY_RETRY_MS, ended.signal);
  }

  #serve(connected: Connected): Promise<void> {
    return serveStatus(connected, this.#options.service, this.#options.log);
  }
}

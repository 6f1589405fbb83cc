import { isDeepStrictEqual } from 'node:util';
import { delay, sleep } from '../../common/backoff.ts';
import { messageOf, TransientError } from '../../common/errors.ts';
import type { Announced, Announcement, AnnouncePort } from '../ports.ts';
import { announce } from './announce.ts';
import { connectLocal, type LocalConnected } from './connect-local.ts';
import type { NatsOptions } from './connection.ts';
import { connectWithCurrentKey, KEY_RETRY_MS } from './current-key.ts';
import { LOCAL_NATS, translate } from './errors.ts';
import { type StatusService, serveStatus } from './status-service.ts';

export interface LocalNatsOptions extends Omit<NatsOptions, 'server' | 'owner'> {
  /** The servers of the node's local NATS; one is used at a time. */
  readonly servers: readonly string[];
  /** Where messages are announced: `EVENTS.app_sync`. */
  readonly subject: string;
  /** How often the current key is tried while the server accepts only the previous one. */
  readonly keyRetryMs?: number | undefined;
}

/** What the sidecar and the local NATS know each other by; all of it can change while the sidecar runs. */
export type LocalNatsKeys = Pick<LocalNatsOptions, 'seed' | 'olderSeeds' | 'ca'>;

/** The connection to the node's local NATS: announces messages, and answers requests for the status. */
export interface LocalNats extends AnnouncePort {
  /** Public key that the server accepted, or why there is no connection. */
  readonly state: { readonly key: string | null; readonly message: string };
  /**
   * Starts to connect, and goes on trying; never throws for a server that is down.
   *
   * @param service what is answered there, for as long as there is a connection
   */
  start(service: StatusService): void;
  /**
   * Signs in with other keys from now on. The connection that stands is used until there is another, or until the first
   * attempt at one has failed, so that replacing a key delays no announcements. Does nothing when the keys are the same.
   */
  signInWith(keys: LocalNatsKeys): void;
  /** Finishes what is being announced first. */
  close(): Promise<void>;
}

/** The node's local NATS; connects when it is started. */
export function openLocalNats(options: LocalNatsOptions): LocalNats {
  return new LocalConnection(options);
}

/** Has one connection at a time, and hands over from one to the next when the keys change. */
class LocalConnection implements LocalNats {
  #options: LocalNatsOptions;
  #service: StatusService | undefined;
  #current: KeptConnection | undefined;
  #handedOver: Promise<void> = Promise.resolve();

  constructor(options: LocalNatsOptions) {
    this.#options = options;
  }

  get state(): LocalNats['state'] {
    return this.#current?.state ?? { key: null, message: messageOf(NOT_YET) };
  }

  start(service: StatusService): void {
    this.#service = service;
    this.#current = new KeptConnection(this.#options, service);
  }

  signInWith({ seed, olderSeeds, ca }: LocalNatsKeys): void {
    if (isDeepStrictEqual(keysOf(this.#options), { seed, olderSeeds, ca })) return;
    const options = { ...this.#options, seed, olderSeeds, ca };
    this.#options = options;
    this.#handedOver = this.#handedOver.then(() => this.#handOver(options));
  }

  /** Answers at once while there is no connection. */
  async announce(messages: readonly Announcement[]): Promise<Announced> {
    return this.#current?.announce(messages) ?? notDone(NOT_YET);
  }

  async close(): Promise<void> {
    await this.#handedOver;
    await this.#current?.close();
  }

  async #handOver(options: LocalNatsOptions): Promise<void> {
    const before = this.#current;
    if (!before || !this.#service) return;
    const next = new KeptConnection(options, this.#service);
    await next.tried;
    this.#current = next;
    await before.close();
  }
}

const NOT_YET = new TransientError('Unreachable', `${LOCAL_NATS} is not connected yet`);

function notDone(problem: TransientError): Announced {
  return { done: 0, tooLarge: [], problem };
}

function keysOf({ seed, olderSeeds, ca }: LocalNatsOptions): LocalNatsKeys {
  return { seed, olderSeeds, ca };
}

/** Keeps a connection with one set of keys, from when it is made until it is closed. */
class KeptConnection {
  readonly #options: LocalNatsOptions;
  readonly #service: StatusService;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  readonly #tried = Promise.withResolvers<void>();
  #connected: LocalConnected | undefined;
  #problem = NOT_YET;
  #announcing: Promise<void> = Promise.resolve();

  constructor(options: LocalNatsOptions, service: StatusService) {
    this.#options = options;
    this.#service = service;
    this.#running = this.#keepConnected();
  }

  get state(): LocalNats['state'] {
    if (!this.#connected) return { key: null, message: messageOf(this.#problem) };
    return { key: this.#connected.remote.publicKey, message: '' };
  }

  /** Resolves when the first attempt to connect has succeeded or failed. */
  get tried(): Promise<void> {
    return this.#tried.promise;
  }

  async announce(messages: readonly Announcement[]): Promise<Announced> {
    if (!this.#connected) return notDone(this.#problem);
    const { subject, inboxPrefix } = this.#options;
    const announced = announce(this.#connected, subject, inboxPrefix, messages);
    this.#announcing = announced.then(
      () => undefined,
      () => undefined,
    );
    return announced;
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
        const last = await this.#stay(options, await connectLocal(options));
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
  async #stay(options: NatsOptions, first: LocalConnected): Promise<LocalConnected> {
    this.#connected = first;
    if (this.#stop.signal.aborted) await first.connection.close();
    await this.#serve(first);
    this.#tried.resolve();
    const next = first.onOlderKey ? await this.#withCurrentKey(options, first) : undefined;
    if (!next) return first;
    // The newer one is used before the older one is closed, so that no announcement fails.
    const underWay = this.#announcing;
    this.#connected = next;
    await underWay;
    await first.connection.close();
    options.log.info({ server: next.remote.server, key: next.remote.publicKey }, 'signed in with the current key');
    if (this.#stop.signal.aborted) await next.connection.close();
    await this.#serve(next);
    return next;
  }

  #withCurrentKey(options: NatsOptions, { connection }: LocalConnected): Promise<LocalConnected | undefined> {
    const ended = new AbortController();
    void connection.closed().then(() => ended.abort());
    return connectWithCurrentKey(connectLocal, options, this.#options.keyRetryMs ?? KEY_RETRY_MS, ended.signal);
  }

  #serve(connected: LocalConnected): Promise<void> {
    return serveStatus(connected, this.#service, this.#options.log);
  }
}

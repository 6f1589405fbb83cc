import { DURABLE, pullSubject } from '../../common/contract/durable.ts';
import { TransientError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { Peeked, PeerStream, Received } from '../ports.ts';
import type { ResetAnswer } from '../replay/delivered.ts';
import { type AckSubject, ackSubjectParser } from './ack-subject.ts';
import { connectPeer, type PeerConnected, type PeerOptions } from './connect-peer.ts';
import { connectWithCurrentKey, KEY_RETRY_MS } from './current-key.ts';
import { DeliveredBuffer } from './delivered-buffer.ts';
import { explainEnd } from './durable.ts';
import { translate } from './errors.ts';
import { PayloadStore } from './payload-store.ts';
import type { Incoming } from './peer-client/incoming.ts';
import { PullLoop, type PullOptions } from './pull-loop.ts';
import type { Amount } from './pull-plan.ts';
import { canReset, resetDurable } from './reset.ts';

export interface PeerStreamOptions extends PeerOptions {
  readonly stream: string;
  /** Our durable consumer there, and the only thing we may touch. */
  readonly durable: string;
  /** Within what the durable allows; pulls beyond it are refused. */
  readonly pull?: PullOptions | undefined;
  /** How often the current key is tried while the server accepts only the previous one. */
  readonly keyRetryMs?: number | undefined;
}

/** As {@link PeerStream}, with what tests and reports look at besides. */
export interface OpenPeerStream extends PeerStream {
  /** Messages that were not our durable's. A server that works sends none. */
  readonly dropped: number;
}

/**
 * How much a server may make us hold, in multiples of the limits. Our pulls keep to the limits but for one message, which may be
 * larger than all that is left; a server that sends more than it was asked for is disconnected by the pull loop.
 */
const TOLERANCE = 1.25;
/** A second less than the durable allows, which leaves room for what the line takes. */
export const PULL: PullOptions = { maxBatch: DURABLE.maxBatch, expiresMs: DURABLE.maxExpiresMs - 1_000 };
const ONE: Amount = { messages: 1, bytes: 1 };
const FLUSH_TIMEOUT_MS = 1000;
const ACK = '+ACK';
/** Fewer than the pieces after which a connection counts as stuck. */
const HANDED_BACK_AT_ONCE = 500;

/**
 * Connects to one of a peer's servers, for one durable of its stream.
 *
 * @throws TransientError with the reason and what to do
 * @throws InvalidInputError for a server, a CA or a seed that is not one
 */
export async function openPeerStream(options: PeerStreamOptions): Promise<OpenPeerStream> {
  return new DurablePull(options, await connectPeer(options));
}

class DurablePull implements OpenPeerStream {
  readonly server: string;
  readonly key: string;
  readonly certificateExpires: number | undefined;
  readonly ackWaitMs = DURABLE.ackWaitMs + 1_000;
  readonly #options: PeerStreamOptions;
  readonly #connected: PeerConnected;
  readonly #log: Logger;
  readonly #parseAck: (subject: string) => AckSubject | undefined;
  readonly #buffer = new DeliveredBuffer();
  readonly #payloads = new PayloadStore();
  readonly #waiters = new Set<() => void>();
  readonly #superseded = new AbortController();
  readonly #ended = new AbortController();
  #limits: Amount = { messages: 0, bytes: 0 };
  #pulls: PullLoop | undefined;
  /** What ended this: a TransientError, or an error that nobody foresaw. */
  #failure: { readonly error: unknown } | undefined;
  #closed = false;
  #waking = false;
  #dropped = 0;

  constructor(options: PeerStreamOptions, connected: PeerConnected) {
    this.server = connected.remote.server;
    this.key = connected.remote.publicKey;
    this.certificateExpires = connected.certificateExpires;
    this.#options = options;
    this.#connected = connected;
    this.#log = options.log;
    this.#parseAck = ackSubjectParser(options.stream, options.durable);
    this.#background(connected.connection.closed.then((error) => this.#fail(translate(error, connected.remote))));
    if (connected.onOlderKey) this.#background(this.#watchKey());
  }

  get superseded(): AbortSignal {
    return this.#superseded.signal;
  }

  get idle(): boolean {
    return this.#pulls?.idle ?? false;
  }

  get dropped(): number {
    return this.#dropped;
  }

  async reset(sequence?: number): Promise<ResetAnswer | undefined> {
    this.#throwIfFailed();
    try {
      return await resetDurable(this.#connected, this.#options, sequence);
    } catch (error) {
      this.#fail(translate(error, this.#connected.remote));
      throw this.#failure?.error;
    }
  }

  async peek(): Promise<Peeked | undefined> {
    this.#pull(ONE, true);
    await this.stop();
    this.#pulls = undefined;
    const [found] = this.#buffer.take(ONE);
    if (found === undefined) return undefined;
    const { streamSequence: sequence, time, payload, size } = found;
    return { sequence, time, payload, size };
  }

  start(limits: Amount): void {
    this.#pull(limits, false);
  }

  #pull(limits: Amount, isSingle: boolean): void {
    this.#throwIfFailed();
    if (this.#pulls) throw new Error('the stream is being pulled already');
    const { pull = PULL } = this.#options;
    this.#limits = limits;
    this.#pulls = new PullLoop({
      ...pull,
      connection: this.#connected.connection,
      subject: pullSubject(this.#options.stream, this.#options.durable),
      limits,
      isSingle,
      gradual: canReset(this.#connected.connection.version),
      held: () => this.#buffer.held,
      onMessage: (message, endedEarly) => this.#receive(message, endedEarly),
      onEnd: (why) =>
        this.#background(explainEnd(why, this.#connected, this.#options).then((failure) => this.#fail(failure))),
    });
  }

  async stop(): Promise<void> {
    await this.#pulls?.drain();
    this.#throwIfFailed();
  }

  available(timeoutMs: number): Promise<void> {
    if (this.#buffer.length > 0) return Promise.resolve();
    if (this.#failure) return Promise.reject(this.#failure.error);
    return new Promise((resolve, reject) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#waiters.delete(wake);
        if (this.#failure && this.#buffer.length === 0) reject(this.#failure.error);
        else resolve();
      };
      const timer = setTimeout(wake, timeoutMs);
      this.#waiters.add(wake);
    });
  }

  take(limits: Amount): Received[] {
    const taken = this.#buffer.take(limits);
    if (taken.length > 0) this.#pulls?.refill();
    return taken;
  }

  async close(): Promise<void> {
    const { connection } = this.#connected;
    const working = !this.#failure;
    this.#closed = true;
    this.#fail(new TransientError('Unreachable', `the connection to ${this.server} was closed by us`));
    this.#buffer.clear();
    // The last ack may be on its way. It is worth only a moment, since no ack is ever needed.
    if (working) await Promise.race([connection.flush(), pause(FLUSH_TIMEOUT_MS)]);
    await connection.close();
  }

  /** @returns the durable's pending messages after this one; undefined for a message that is dropped */
  #receive(message: Incoming, endedEarly: boolean): number | undefined {
    const ack = this.#parseAck(message.reply);
    if (ack === undefined) {
      this.#drop();
      return undefined;
    }
    const { length, bytes } = this.#buffer;
    const tooMuch = length >= this.#limits.messages * TOLERANCE || bytes > this.#limits.bytes * TOLERANCE;
    if (tooMuch) {
      this.#fail(new TransientError('Unreachable', `${this.server} sends more than it is asked for; disconnected`));
      return undefined;
    }
    const cutOff = endedEarly && ack.pending > 0;
    this.#buffer.push(new DeliveredMessage(message, this.#payloads.keep(message.payload), ack, cutOff, this));
    if (this.#waiters.size > 0 && !this.#waking) this.#wakeSoon();
    return ack.pending;
  }

  /** Wakes after everything that the socket holds now was read: waking for each message would cost more than the message. */
  #wakeSoon(): void {
    this.#waking = true;
    setImmediate(() => {
      this.#waking = false;
      if (this.#failure || this.#buffer.length > 0) this.#wake();
    });
  }

  /** Sends an ack, but not after a failure: the position decides then anyway. */
  acknowledge(reply: string): void {
    if (!this.#failure) this.#connected.connection.publish(reply, ACK);
  }

  async handBack(replies: readonly string[], delayMs: number): Promise<void> {
    const { connection } = this.#connected;
    const nak = `-NAK {"delay": ${delayMs * 1_000_000}}`;
    for (let first = 0; first < replies.length; first += HANDED_BACK_AT_ONCE) {
      for (const reply of replies.slice(first, first + HANDED_BACK_AT_ONCE)) connection.publish(reply, nak);
      await connection.flush();
      this.#throwIfFailed();
    }
  }

  #drop(): void {
    this.#dropped += 1;
    this.#log.warn({ server: this.server, count: 1 }, 'dropped messages that are not from our durable');
  }

  async #watchKey(): Promise<void> {
    const { keyRetryMs = KEY_RETRY_MS } = this.#options;
    const next = await connectWithCurrentKey(connectPeer, this.#options, keyRetryMs, this.#ended.signal);
    if (!next) return;
    // The new connection is not used: the session is in the middle of a batch, and a stream begins with a reset.
    await next.connection.close();
    this.#superseded.abort();
  }

  /** Whatever it throws ends this stream. As an unhandled rejection it would end the process, and so the other peers' replays. */
  #background(work: Promise<void>): void {
    work.catch((error: unknown) => this.#fail(error));
  }

  /** Ends the stream. What was received stays in the buffer, since it is as good as before. */
  #fail(error: unknown): void {
    if (this.#failure) return;
    this.#failure = { error };
    this.#ended.abort();
    this.#pulls?.stop();
    this.#wake();
    if (!this.#closed) void this.#connected.connection.close();
  }

  #wake(): void {
    for (const wake of this.#waiters) wake();
  }

  #throwIfFailed(): void {
    if (this.#failure) throw this.#failure.error;
  }
}

class DeliveredMessage implements Received {
  readonly payload: Uint8Array;
  readonly size: number;
  readonly streamSequence: number;
  readonly consumerSequence: number;
  readonly deliveryCount: number;
  readonly time: number;
  readonly pending: number;
  readonly cutOff: boolean;
  readonly reply: string;
  readonly #stream: DurablePull;

  constructor({ size, reply }: Incoming, payload: Uint8Array, ack: AckSubject, cutOff: boolean, stream: DurablePull) {
    this.payload = payload;
    this.size = size;
    this.streamSequence = ack.streamSequence;
    this.consumerSequence = ack.consumerSequence;
    this.deliveryCount = ack.deliveryCount;
    this.time = ack.time;
    this.pending = ack.pending;
    this.cutOff = cutOff;
    this.reply = reply;
    this.#stream = stream;
  }

  ack(): void {
    this.#stream.acknowledge(this.reply);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

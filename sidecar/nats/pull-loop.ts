import type { PeerConnection } from './peer-client/connection.ts';
import { type Incoming, statusOf } from './peer-client/incoming.ts';
import { PullPace } from './pull-pace.ts';
import { type Amount, nextPull } from './pull-plan.ts';
import { type PullStatus, pullStatus } from './pull-status.ts';

/** What the durable allows, and how long a pull of ours waits. */
export interface PullOptions {
  /** Messages per pull at most (`max_batch` of the durable). */
  readonly maxBatch: number;
  /** How long a pull waits at the server (at most `max_expires` of the durable), in milliseconds. */
  readonly expiresMs: number;
}

export interface PullLoopOptions extends PullOptions {
  readonly connection: PeerConnection;
  /** `$JS.API.CONSUMER.MSG.NEXT.<stream>.<durable>` */
  readonly subject: string;
  readonly limits: Amount;
  /** Whether to ask only once, for one message of any size. */
  readonly isSingle: boolean;
  /** Whether pulls begin small; see `PullPace`. */
  readonly gradual: boolean;
  readonly held: () => Amount;
  /**
   * Called with each message, and whether the server ended the pull with it before the pull was complete.
   * @returns how many messages the durable had not delivered yet; undefined for a foreign one
   */
  readonly onMessage: (message: Incoming, endedEarly: boolean) => number | undefined;
  /** Called with what ends the loop: a status, or undefined when the server fell silent. */
  readonly onEnd: (why: PullStatus | undefined) => void;
}

interface Pull {
  /** The number of its subscription. */
  readonly sid: number;
  readonly bounded: boolean;
  readonly asked: Amount;
  readonly sent: number;
  /** What may still come. */
  messages: number;
  bytes: number;
  /** What came. */
  received: Amount;
  backlog: boolean;
  /** Set when the pull should be over long ago and the server was asked to show that it has sent everything. */
  overdue: boolean;
}

const HEARTBEATS_PER_PULL = 3;
/** The server was silent for two whole heartbeats, whatever the phase of our own clock. */
const SILENT_TICKS = 3;

/**
 * Keeps pulls waiting at the server, as many as there is room for (ADR 0004, ADR 0022).
 *
 * Each pull has an inbox of its own, which is unsubscribed when the pull is over: a server keeps an entry for each pull that
 * crosses accounts until the interest in its inbox is gone, and what comes after the end of a pull is of no interest.
 *
 * A pull has no deadline of ours, since messages that are on their way over a slow line take as long as they take. The server
 * counts as silent only when nothing at all arrives, not even a part of a message.
 */
export class PullLoop {
  readonly #options: PullLoopOptions;
  readonly #pulls = new Set<Pull>();
  readonly #pace: PullPace;
  readonly #heartbeatMs: number;
  readonly #clock: NodeJS.Timeout;
  #outstanding = { messages: 0, bytes: 0 };
  #oversized = false;
  #receivedBytes = 0;
  #silentTicks = 0;
  #idle = false;
  #stopped = false;
  #draining = false;
  #onDrained: () => void = () => undefined;

  constructor(options: PullLoopOptions) {
    this.#options = options;
    this.#pace = new PullPace(options.gradual);
    this.#heartbeatMs = Math.floor(options.expiresMs / HEARTBEATS_PER_PULL);
    this.#clock = setInterval(() => this.#tick(), this.#heartbeatMs);
    if (options.isSingle) this.#pull(1, undefined);
    else this.refill();
  }

  /**
   * Whether the server has said, since the newest message, that it has nothing to send. Silence says nothing: over a slow line
   * one message may take minutes.
   */
  get idle(): boolean {
    return this.#idle;
  }

  /** Sends pulls for as much as there is room for. */
  refill(): void {
    while (!this.#stopped && !this.#draining && !this.#options.isSingle && !this.#options.connection.isClosed) {
      const request = nextPull(this.#options.limits, this.#options.maxBatch, {
        held: this.#options.held(),
        outstanding: this.#outstanding,
        pulls: this.#pulls.size,
        oversized: this.#oversized,
        most: this.#pace.most,
      });
      if (request === undefined) return;
      this.#pull(request.batch, request.maxBytes);
    }
  }

  /** Sends no more pulls. Resolves when those that wait are over; what they bring is still received. */
  drain(): Promise<void> {
    this.#draining = true;
    return new Promise((resolve) => {
      this.#onDrained = resolve;
      this.#settleDrain();
    });
  }

  /** Ends the loop at once. */
  stop(): void {
    this.#stopped = true;
    clearInterval(this.#clock);
    this.#onDrained();
  }

  #pull(batch: number, maxBytes: number | undefined): void {
    const { connection, expiresMs } = this.#options;
    const inbox = connection.newInbox();
    const pull: Pull = {
      sid: connection.subscribe(inbox, (message) => this.#receive(pull, message)),
      bounded: maxBytes !== undefined,
      asked: { messages: batch, bytes: maxBytes ?? 0 },
      sent: performance.now(),
      messages: batch,
      bytes: maxBytes ?? 0,
      received: { messages: 0, bytes: 0 },
      backlog: true,
      overdue: false,
    };
    this.#pulls.add(pull);
    this.#outstanding.messages += pull.messages;
    this.#outstanding.bytes += pull.bytes;
    // The server counts subjects and headers as well as payloads against max_bytes, so it stops short of what is set aside
    // here. Durations are nanoseconds.
    const request = { batch, max_bytes: maxBytes, expires: expiresMs * 1e6, idle_heartbeat: this.#heartbeatMs * 1e6 };
    connection.publish(this.#options.subject, JSON.stringify(request), { reply: inbox });
  }

  #receive(pull: Pull, message: Incoming): void {
    if (this.#stopped) return;
    this.#silentTicks = 0;
    if (message.reply) this.#onMessage(pull, message);
    else this.#onStatus(pull, message);
  }

  #onMessage(pull: Pull, message: Incoming): void {
    this.#idle = false;
    const { size } = message;
    if (pull.bounded && size > pull.bytes) return this.#end({ kind: 'gone', what: 'sends more than it is asked for' });
    this.#count(pull, size);
    if (!pull.bounded) this.#oversized = false;
    const last = endsPull(message);
    if (this.#options.onMessage(message, last && pull.messages > 0) === 0) pull.backlog = false;
    this.#pace.received(last ? 0 : Math.max(size, 1));
    if (pull.messages > 0 && !last) return;
    if (!last) this.#answered(pull);
    this.#finish(pull);
  }

  /** Counts a message as received and not as outstanding any more. */
  #count(pull: Pull, size: number): void {
    const setAside = Math.min(pull.bytes, size);
    pull.messages -= 1;
    pull.bytes -= setAside;
    pull.received = { messages: pull.received.messages + 1, bytes: pull.received.bytes + size };
    this.#outstanding.messages -= 1;
    this.#outstanding.bytes -= setAside;
  }

  #onStatus(pull: Pull, message: Incoming): void {
    const status = pullStatusOf(message);
    switch (status.kind) {
      case 'alive':
        this.#idle = true;
        return;
      case 'too-large':
        if (pull.received.messages === 0) this.#oversized = true;
        else this.#answered(pull);
        return this.#finish(pull);
      case 'over':
        return this.#finish(pull);
      default:
        return this.#end(status);
    }
  }

  #answered({ asked, received, sent, backlog }: Pull): void {
    this.#pace.answered({ asked, bytes: received.bytes, elapsedMs: performance.now() - sent, backlog });
  }

  #finish(pull: Pull): void {
    if (!this.#pulls.delete(pull)) return;
    this.#options.connection.unsubscribe(pull.sid);
    this.#outstanding.messages -= pull.messages;
    this.#outstanding.bytes -= pull.bytes;
    this.refill();
    this.#settleDrain();
  }

  #settleDrain(): void {
    if (this.#draining && this.#pulls.size === 0) this.stop();
  }

  /** Counts ticks of our own clock, because a process that was stopped or busy did not get those either. */
  #tick(): void {
    const received = this.#options.connection.receivedBytes;
    this.#silentTicks = this.#pulls.size === 0 || received !== this.#receivedBytes ? 0 : this.#silentTicks + 1;
    this.#receivedBytes = received;
    if (this.#silentTicks >= SILENT_TICKS) return this.#end(undefined);
    const deadline = performance.now() - this.#options.expiresMs - SILENT_TICKS * this.#heartbeatMs;
    for (const pull of this.#pulls) if (pull.sent < deadline && !pull.overdue) void this.#giveUp(pull);
  }

  /**
   * Gives a pull up that must have expired long ago. The server answers a ping after everything that it had sent before, so
   * what is still on its way is waited for, however long that takes. If messages were lost with the pull, the next delivery
   * shows it.
   */
  async #giveUp(pull: Pull): Promise<void> {
    pull.overdue = true;
    // A connection that ends meanwhile reports that itself.
    await this.#options.connection.flush();
    if (!this.#stopped) this.#finish(pull);
  }

  #end(why: PullStatus | undefined): void {
    this.stop();
    this.#options.onEnd(why);
  }
}

/** Whether nats-server takes this message for the last answer to its pull: its body is empty, and it has no headers. */
function endsPull({ size, headerSize }: Incoming): boolean {
  return size === 0 && headerSize === 0;
}

function pullStatusOf(message: Incoming): PullStatus {
  const status = statusOf(message);
  if (status) return pullStatus(status.code, status.description);
  return { kind: 'gone', what: 'answered a pull with headers that cannot be understood' };
}

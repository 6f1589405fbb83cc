import { createInbox, type Msg, type NatsConnection, type NatsError, type Subscription } from 'nats';
import { type Amount, nextPull } from './pull-plan.ts';
import { type PullStatus, pullStatus } from './pull-status.ts';

/** What the durable allows, and how soon a pull of ours is forgotten. */
export interface PullOptions {
  /** Messages per pull at most (`max_batch` of the durable). */
  readonly maxBatch: number;
  /** How long a pull waits at the server (at most `max_expires` of the durable), in milliseconds. */
  readonly expiresMs: number;
}

export interface PullLoopOptions extends PullOptions {
  readonly connection: NatsConnection;
  /** `$JS.API.CONSUMER.MSG.NEXT.<stream>.<durable>` */
  readonly subject: string;
  readonly inboxPrefix: string;
  readonly limits: Amount;
  readonly held: () => Amount;
  readonly onMessage: (message: Msg) => void;
  /** Called with whatever ends the loop: a status that does, an error of the library, or undefined for silence. */
  readonly onEnd: (why: PullStatus | NatsError | undefined) => void;
}

interface Pull {
  readonly subscription: Subscription;
  readonly bounded: boolean;
  readonly deadline: number;
  messages: number;
  bytes: number;
  received: boolean;
}

const HEARTBEATS_PER_PULL = 3;
/** Silent for two whole heartbeats, whatever the phase of our own clock. */
const SILENT_TICKS = 3;

/**
 * Keeps pulls waiting at the server, as many as there is room for (ADR 0004).
 *
 * Each pull has an inbox of its own, unsubscribed when the pull is over: a server keeps an entry per pull that crosses
 * accounts until the interest in its inbox is gone, and what comes after the end of a pull is of no interest.
 */
export class PullLoop {
  readonly #options: PullLoopOptions;
  readonly #pulls = new Set<Pull>();
  readonly #heartbeatMs: number;
  readonly #clock: NodeJS.Timeout;
  #outstanding = { messages: 0, bytes: 0 };
  #oversized = false;
  #silentTicks = 0;
  #stopped = false;
  #draining = false;
  #onDrained: () => void = () => undefined;

  constructor(options: PullLoopOptions) {
    this.#options = options;
    this.#heartbeatMs = Math.floor(options.expiresMs / HEARTBEATS_PER_PULL);
    this.#clock = setInterval(() => this.#tick(), this.#heartbeatMs);
    this.refill();
  }

  /** Sends pulls for as much as there is room for. */
  refill(): void {
    while (!this.#stopped && !this.#draining && !this.#options.connection.isClosed()) {
      const request = nextPull(this.#options.limits, this.#options.maxBatch, {
        held: this.#options.held(),
        outstanding: this.#outstanding,
        pulls: this.#pulls.size,
        oversized: this.#oversized,
      });
      if (request === undefined) return;
      this.#pull(request.batch, request.maxBytes);
    }
  }

  /** Sends no more pulls; resolves when those that wait are over. What they bring is still received. */
  drain(): Promise<void> {
    this.#draining = true;
    return new Promise((resolve) => {
      this.#onDrained = resolve;
      this.#settleDrain();
    });
  }

  /** Ends it at once. */
  stop(): void {
    this.#stopped = true;
    clearInterval(this.#clock);
    this.#onDrained();
  }

  #pull(batch: number, maxBytes: number | undefined): void {
    const { connection, expiresMs } = this.#options;
    // The server counts subjects and headers as well as payloads: it stops short of what is set aside here.
    const inbox = createInbox(this.#options.inboxPrefix);
    const pull: Pull = {
      subscription: connection.subscribe(inbox, { callback: (error, message) => this.#receive(pull, error, message) }),
      bounded: maxBytes !== undefined,
      deadline: performance.now() + expiresMs + SILENT_TICKS * this.#heartbeatMs,
      messages: batch,
      bytes: maxBytes ?? 0,
      received: false,
    };
    this.#pulls.add(pull);
    this.#outstanding.messages += pull.messages;
    this.#outstanding.bytes += pull.bytes;
    // Durations are nanoseconds.
    const request = { batch, max_bytes: maxBytes, expires: expiresMs * 1e6, idle_heartbeat: this.#heartbeatMs * 1e6 };
    connection.publish(this.#options.subject, JSON.stringify(request), { reply: inbox });
  }

  /** Runs for every message; must not throw, since the library would stop reading without a word. */
  #receive(pull: Pull, error: NatsError | null, message: Msg): void {
    if (this.#stopped) return;
    if (error) return this.#end(error);
    this.#silentTicks = 0;
    if (!message.reply) return this.#onStatus(pull, message);
    pull.received = true;
    const size = Math.min(pull.bytes, message.data.byteLength);
    pull.messages -= 1;
    pull.bytes -= size;
    this.#outstanding.messages -= 1;
    this.#outstanding.bytes -= size;
    if (!pull.bounded) this.#oversized = false;
    this.#options.onMessage(message);
    if (pull.messages === 0) this.#finish(pull);
  }

  #onStatus(pull: Pull, message: Msg): void {
    const status = statusOf(message);
    switch (status.kind) {
      case 'alive':
        return;
      case 'too-large':
        if (!pull.received) this.#oversized = true;
        return this.#finish(pull);
      case 'over':
        return this.#finish(pull);
      default:
        return this.#end(status);
    }
  }

  #finish(pull: Pull): void {
    pull.subscription.unsubscribe();
    this.#pulls.delete(pull);
    this.#outstanding.messages -= pull.messages;
    this.#outstanding.bytes -= pull.bytes;
    this.refill();
    this.#settleDrain();
  }

  #settleDrain(): void {
    if (this.#draining && this.#pulls.size === 0) this.stop();
  }

  /** Counted in ticks of our own clock, which a process that was stopped or busy did not get either. */
  #tick(): void {
    this.#silentTicks = this.#pulls.size === 0 ? 0 : this.#silentTicks + 1;
    const now = performance.now();
    const lost = [...this.#pulls].some(({ deadline }) => deadline < now);
    if (this.#silentTicks >= SILENT_TICKS || lost) this.#end(undefined);
  }

  #end(why: PullStatus | NatsError | undefined): void {
    this.stop();
    this.#options.onEnd(why);
  }
}

function statusOf(message: Msg): PullStatus {
  try {
    const { code = 0, description = '' } = message.headers ?? {};
    return pullStatus(code, description);
  } catch {
    return { kind: 'gone', what: 'answered a pull with headers that cannot be understood' };
  }
}

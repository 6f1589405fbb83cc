import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from 'nats';
import { infoSubject } from '../../../common/contract/durable.ts';
import { STREAM, SYNC_SUBJECT, syncName } from '../../../common/contract/names.ts';
import { until } from '../../kit/processes/process.ts';
import type { DurableInfo, Site } from '../../kit/sites/site.ts';
import { kindOf, MALFORMED, type MessageKind, makeMessage, uuidIn } from './messages.ts';
import type { SiteName } from './schedule.ts';

/** A message that its stream has stored. */
export interface Stored {
  readonly id: string;
  readonly kind: MessageKind;
  readonly sequence: number;
  /** In milliseconds since 1970. */
  readonly time: number;
}

const TICK_MS = 100;
const CONFIRMED_MS = 10_000;
const ANSWERED_MS = 5_000;
/** How often what is asked of a NATS is asked again while it does not answer. */
const PATIENCE_MS = 120_000;

/**
 * What goes out from one site: it sends like connect, at a steady rate, and reads back what its stream has stored, which is the
 * truth: a message that was not confirmed may be there, and one that was confirmed has to be.
 */
export class Origin {
  readonly #name: SiteName;
  readonly #site: Site;
  readonly #connection: NatsConnection;
  readonly #marker: string;
  readonly #random: () => number;
  readonly #perTick: number;
  readonly #kinds = new Map<string, MessageKind>();
  readonly #confirmed = new Set<string>();
  /** What the stream has stored, of all the streams that there have been. */
  readonly stored: Stored[] = [];
  /** The uuids of what was announced to applications, in that order. */
  readonly announced: string[] = [];
  /** Whether a fault has taken announcements away with the stream. */
  announcementsGone = false;
  #readUpTo = 0;
  #paused = 0;
  #tick = Promise.resolve();
  #ended = false;
  #loop = Promise.resolve();

  private constructor(
    name: SiteName,
    site: Site,
    connection: NatsConnection,
    options: { marker: string; perSecond: number; random: () => number },
  ) {
    this.#name = name;
    this.#site = site;
    this.#connection = connection;
    this.#marker = options.marker;
    this.#random = options.random;
    this.#perTick = Math.max(1, Math.round((options.perSecond * TICK_MS) / 1000));
  }

  static async start(
    name: SiteName,
    site: Site,
    options: { marker: string; perSecond: number; random: () => number },
  ): Promise<Origin> {
    return new Origin(name, site, await site.connect(), options);
  }

  begin(): void {
    this.#loop = this.#send();
  }

  /** Ends the sending, and the connection that it was asked over. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#loop;
  }

  /** What was sent and confirmed. */
  get confirmed(): ReadonlySet<string> {
    return this.#confirmed;
  }

  /** Sends one of each malformed kind. */
  async sendMalformed(): Promise<void> {
    await this.#publishInTurn(MALFORMED);
  }

  async sendLarge(): Promise<void> {
    await this.#publishInTurn(Array.from({ length: 20 }, () => 'large resource'));
  }

  /** Nothing is on its way to the stream while `work` runs. */
  async whileQuiet<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#paused += 1;
    try {
      await this.#tick;
      return await work();
    } finally {
      this.#paused -= 1;
    }
  }

  /** Reads what the stream has stored since the last call. Whatever then happens to the stream, this is known. */
  async readStored(): Promise<void> {
    const last = await this.lastSequence();
    if (last <= this.#readUpTo) return;
    const connection = await this.#site.connect();
    try {
      const consumer = await connection
        .jetstream({ timeout: 60_000 })
        .consumers.get(STREAM, { opt_start_seq: this.#readUpTo + 1 });
      while (this.#readUpTo < last) {
        const { num_pending } = await consumer.info();
        if (num_pending === 0) break;
        for await (const message of await consumer.fetch({ max_messages: Math.min(num_pending, 1_000) })) {
          this.#note(message.subject, Buffer.from(message.data), message.seq, message.info.timestampNanos / 1e6);
          this.#readUpTo = message.seq;
        }
      }
    } finally {
      await connection.close();
    }
  }

  /** Its stream is another one now, with what the former one had up to a sequence. */
  streamNowEndsAt(sequence: number): void {
    this.#readUpTo = sequence;
    this.announcementsGone = true;
  }

  async lastSequence(): Promise<number> {
    const { state } = (await this.#ask(`$JS.API.STREAM.INFO.${STREAM}`)) as { state: { last_seq: number } };
    return state.last_seq;
  }

  async durable(receiver: SiteName): Promise<DurableInfo> {
    return (await this.#ask(infoSubject(STREAM, syncName(receiver)))) as unknown as DurableInfo;
  }

  /** Waits until a receiver has acknowledged everything that the stream has now. */
  async drained(receiver: SiteName, timeoutMs: number): Promise<void> {
    const done = async (): Promise<boolean> => {
      const { num_pending, num_ack_pending } = await this.durable(receiver);
      return num_pending === 0 && num_ack_pending === 0;
    };
    await until(`${receiver} has replayed everything of ${this.#name}`, done, timeoutMs, 100);
  }

  async #send(): Promise<void> {
    let next = performance.now();
    while (!this.#ended) {
      if (this.#paused === 0) {
        const kinds = Array.from({ length: this.#perTick }, () => kindOf(this.#random()));
        this.#tick = this.#tick.then(() => this.#publish(kinds));
        await this.#tick;
      }
      // What was missed while NATS was away is not made up for.
      next = Math.max(next + TICK_MS, performance.now() - TICK_MS);
      await sleep(Math.max(1, next - performance.now()));
    }
  }

  /** Not before all that needs quiet is over, and not at the same time as the next tick. */
  async #publishInTurn(kinds: readonly MessageKind[]): Promise<void> {
    await until(`${this.#name} may send`, () => this.#paused === 0, PATIENCE_MS, 10);
    const before = this.#tick;
    this.#tick = before.then(() => this.#publish(kinds));
    await this.#tick;
  }

  async #publish(kinds: readonly MessageKind[]): Promise<void> {
    const jetstream = this.#connection.jetstream({ timeout: CONFIRMED_MS });
    const sending = kinds.map(async (kind) => {
      const { uuid, payload } = makeMessage(kind, this.#name, this.#marker);
      this.#kinds.set(uuid, kind);
      await jetstream.publish(SYNC_SUBJECT, payload);
      this.#confirmed.add(uuid);
    });
    // Those without a confirmation may be stored or not: the stream tells.
    await Promise.allSettled(sending);
  }

  #note(subject: string, data: Buffer, sequence: number, time: number): void {
    const id = uuidIn(data) ?? '';
    if (subject !== SYNC_SUBJECT) return void this.announced.push(id);
    const kind = this.#kinds.get(id);
    if (kind === undefined) throw new Error(`the stream of ${this.#name} has a message that nobody sent`);
    this.stored.push({ id, kind, sequence, time });
  }

  async #ask(subject: string): Promise<Record<string, unknown>> {
    let answer: { error?: { description: string } } | undefined;
    const answered = async (): Promise<boolean> => {
      answer = (await this.#connection.request(subject, '', { timeout: ANSWERED_MS })).json();
      return true;
    };
    await until(`the NATS of ${this.#name} answers`, answered, PATIENCE_MS, 100);
    if (answer?.error) throw new Error(`${subject}: ${answer.error.description}`);
    return answer as Record<string, unknown>;
  }
}

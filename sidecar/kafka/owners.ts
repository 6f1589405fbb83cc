import { delay, sleep } from '../../common/backoff.ts';
import { ownersGroup } from '../../common/contract/names.ts';
import { messageOf, TransientError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { OwnersPort } from '../ports.ts';
import { coordinatorOf, createCluster } from './cluster.ts';
import type { Client, OpenClient } from './connections.ts';
import { translate } from './errors.ts';
import { GroupMember, REBALANCE_TIMEOUT_MS, SESSION_TIMEOUT_MS } from './group-member.ts';
import { closed, withTimeout } from './timeout.ts';

/** For this long after a request that the group answered, it gives our partitions to nobody unless it asks us to join again. */
const HELD_MS = SESSION_TIMEOUT_MS - 1_000;
/** The same for a sidecar that may have slept, and so may not have heard that it had to join again. */
const CONFIRMED_MS = REBALANCE_TIMEOUT_MS - 500;
/** Also how soon a member notices that another has left. */
const HEARTBEAT_MS = 400;
const WATCH_MS = 500;
/** Half a session: what is left is enough to find another coordinator. */
const ANSWER_MS = 3_000;
/** kafkajs itself waits no longer for the other members than 5 s more than their time to join. */
const JOIN_MS = REBALANCE_TIMEOUT_MS + 6_000;
/** Between two requests to a group that is changing. */
const AGAIN_MS = 50;
/** A Kafka that is back after a restart is noticed within this time. */
const MOST_RECONNECT_MS = 500;
/** A problem that stays is logged so often. */
const REMIND_MS = 30_000;

/**
 * Membership in the consumer group that spreads a node's peers over its sidecars.
 *
 * Safety does not depend on it: when two sidecars both believe that they hold a peer, they fence each other, and one of
 * them wins. But the sidecar that is wrong should notice before it fences the other. So the held partitions are forgotten
 * as soon as they cannot be relied on.
 */
export class Owners implements OwnersPort {
  readonly #open: OpenClient;
  readonly #group: string;
  readonly #log: Logger;
  readonly #member: GroupMember;
  readonly #listeners: (() => void)[] = [];
  readonly #stop = new AbortController();
  #assigned: ReadonlySet<number> = new Set();
  #held: ReadonlySet<number> = new Set();
  #joined = false;
  #problem: TransientError | undefined;
  #toldProblem: string | undefined;
  /** Since the group has last answered. */
  #failures = 0;
  #logged = { problem: '', at: Number.NEGATIVE_INFINITY };
  /** When the newest request was sent that the group has answered. */
  #answered = Number.NEGATIVE_INFINITY;
  #waiting: (() => void)[] = [];
  #running: Promise<void> = Promise.resolve();

  constructor(open: OpenClient, node: string, log: Logger) {
    this.#open = open;
    this.#group = ownersGroup(node);
    this.#log = log;
    this.#member = new GroupMember(this.#group);
  }

  get held(): ReadonlySet<number> {
    return this.#held;
  }

  /** As of the last call of the listeners, like {@link held}. The listeners are called after every change of either. */
  get joined(): boolean {
    return this.#joined;
  }

  /** Like {@link joined}, as of the last call of the listeners. */
  get problem(): TransientError | undefined {
    return this.#problem;
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  async confirmed(signal: AbortSignal): Promise<void> {
    if (this.#answeredWithin(CONFIRMED_MS) || signal.aborted) return;
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  /** Joins the group, and stays a member through every failure, until {@link stop}. */
  start(): void {
    this.#running = this.#keepMember();
  }

  /** Leaves the group, so that another sidecar does not have to wait for the end of our session. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #keepMember(): Promise<void> {
    const { signal } = this.#stop;
    const watch = setInterval(() => this.#update(), WATCH_MS);
    while (!signal.aborted) {
      const client = this.#open();
      try {
        await this.#attend(client);
      } catch (error) {
        if (!signal.aborted) await sleep(this.#failed(error), signal);
      } finally {
        client.end();
      }
    }
    clearInterval(watch);
    this.#forget();
  }

  /** Stays a member over one connection, until it fails or until {@link stop}. */
  async #attend(client: Client): Promise<never> {
    const { signal } = this.#stop;
    const coordinator = await this.#answer(ANSWER_MS, client, coordinatorOf(createCluster(client.kafka), this.#group));
    try {
      for (;;) {
        const sent = await this.#answer(
          this.#member.joins ? JOIN_MS : ANSWER_MS,
          client,
          this.#member.attend(coordinator),
        );
        this.#attended(sent);
        await sleep(sent === undefined ? AGAIN_MS : HEARTBEAT_MS, signal);
      }
    } finally {
      if (signal.aborted) await closed(client.guard(this.#member.leave(coordinator)));
    }
  }

  /** @throws also when nothing has come within `ms`, and as soon as {@link stop} is called */
  async #answer<Value>(ms: number, client: Client, work: Promise<Value>): Promise<Value> {
    const { signal } = this.#stop;
    const stopped = Promise.withResolvers<never>();
    const stop = (): void => stopped.reject(new Error('asked to end'));
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    try {
      return await withTimeout(ms, Promise.race([client.guard(work), stopped.promise]), timedOut);
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  /** @param sent as {@link GroupMember.attend} returns it */
  #attended(sent: number | undefined): void {
    const { partitions } = this.#member;
    if (sent === undefined) {
      // Only who is left out has none: whoever is asked to join again keeps its own until the new ones are known.
      if (partitions.size === 0) this.#forget();
      return;
    }
    if (partitions !== this.#assigned) {
      this.#log.info({ group: this.#group, partitions: partitions.size }, 'joined the owners group');
    }
    this.#assigned = partitions;
    this.#answered = sent;
    this.#failures = 0;
    this.#update();
  }

  /** @returns how long to wait before the next connection, in milliseconds */
  #failed(error: unknown): number {
    const problem = translate(error, `join the consumer group ${this.#group} in Kafka`);
    this.#failures += 1;
    this.#problem = problem instanceof TransientError ? problem : undefined;
    const text = messageOf(problem);
    if (text !== this.#logged.problem || performance.now() - this.#logged.at > REMIND_MS) {
      this.#logged = { problem: text, at: performance.now() };
      this.#log.warn({ group: this.#group, problem: text }, 'not in contact with the owners group; trying again');
    }
    this.#update();
    const retryMs = delay(this.#failures, Math.random());
    // What Kafka refuses a person has to change. What is not there may be back at any moment.
    return this.#problem?.reason === 'KafkaRefused' ? retryMs : Math.min(retryMs, MOST_RECONNECT_MS);
  }

  #forget(): void {
    this.#assigned = new Set();
    this.#answered = Number.NEGATIVE_INFINITY;
    this.#update();
  }

  #answeredWithin(ms: number): boolean {
    return performance.now() - this.#answered < ms;
  }

  #update(): void {
    const joined = this.#answeredWithin(HELD_MS);
    const held = joined ? this.#assigned : new Set<number>();
    if (this.#answeredWithin(CONFIRMED_MS)) {
      this.#problem = undefined;
      for (const resolve of this.#waiting.splice(0)) resolve();
    }
    const sameHeld = held.size === this.#held.size && [...held].every((partition) => this.#held.has(partition));
    if (sameHeld && joined === this.#joined && this.#problem?.message === this.#toldProblem) return;
    this.#toldProblem = this.#problem?.message;
    this.#held = held;
    this.#joined = joined;
    for (const listener of this.#listeners) listener();
  }
}

function timedOut(): Error {
  return new TransientError('KafkaUnavailable', 'the group has not answered in time');
}

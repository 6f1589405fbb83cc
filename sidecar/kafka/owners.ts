import type { Consumer } from 'kafkajs';
import { delay, sleep } from '../../common/backoff.ts';
import { OWNERS_PARTITIONS, OWNERS_TOPIC, ownersGroup } from '../../common/contract/names.ts';
import { messageOf, TransientError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { OwnersPort } from '../ports.ts';
import type { OpenClient } from './connections.ts';
import { translate } from './errors.ts';
import { closed } from './timeout.ts';
import type { Topics } from './topics.ts';

/** The shortest session that brokers allow by default. After this time a dead sidecar's peers are taken over. */
const SESSION_TIMEOUT_MS = 6_000;
/** For this long after we sent a heartbeat, the group cannot have given our partitions to another sidecar. */
const RELIABLE_MS = SESSION_TIMEOUT_MS - 1_000;
/** kafkajs sends heartbeats only between fetches, and notices a rebalance only with a heartbeat. */
const FETCH_WAIT_MS = 400;
const HEARTBEAT_MS = 400;
const WATCH_MS = 500;
/**
 * Longer than a request and a rebalance take together. kafkajs can lose its membership and go on fetching without it.
 * This happens when the coordinator has forgotten the member and is not ready at the moment when it joins again.
 */
const SILENT_MS = 15_000;
/** kafkajs goes on as a member when the topic was made again with fewer partitions; some peers would then be nobody's. */
const CHECK_TOPIC_MS = 15_000;

/**
 * Membership in the consumer group that spreads a node's peers over its sidecars.
 *
 * Safety does not depend on it: when two sidecars both believe that they hold a peer, they fence each other, and one of
 * them wins. But the sidecar that is wrong should notice before it fences the other. So the held partitions are forgotten
 * as soon as they cannot be relied on.
 */
export class Owners implements OwnersPort {
  readonly #open: OpenClient;
  readonly #topics: Topics;
  readonly #group: string;
  readonly #log: Logger;
  readonly #listeners: (() => void)[] = [];
  readonly #stop = new AbortController();
  #assigned: ReadonlySet<number> = new Set();
  #held: ReadonlySet<number> = new Set();
  #joined = false;
  #problem: TransientError | undefined;
  #toldProblem: string | undefined;
  /** The times of the last two answers of the group. The request for the last one was sent after the one before it. */
  #answered = Number.NEGATIVE_INFINITY;
  #answeredBefore = Number.NEGATIVE_INFINITY;
  #waiting: (() => void)[] = [];
  #running: Promise<void> = Promise.resolve();

  constructor(open: OpenClient, topics: Topics, node: string, log: Logger) {
    this.#open = open;
    this.#topics = topics;
    this.#group = ownersGroup(node);
    this.#log = log;
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
    if (this.#reliable() || signal.aborted) return;
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  /** Joins the group, and joins it again after every failure, until {@link stop}. */
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
    for (let failures = 0; !signal.aborted; ) {
      const started = performance.now();
      try {
        await this.#topics.ensure([OWNERS_TOPIC], { maxAgeMs: 0 });
        await this.#member();
      } catch (error) {
        if (performance.now() - started > 60_000) failures = 0;
        failures += 1;
        const problem = translate(error, `join the consumer group ${this.#group} in Kafka`);
        this.#log.warn(
          { group: this.#group, problem: messageOf(problem) },
          'not a member of the owners group; trying again',
        );
        this.#problem = problem instanceof TransientError ? problem : undefined;
        this.#forget();
        await sleep(delay(failures, Math.random()), signal);
      }
    }
    clearInterval(watch);
    this.#forget();
  }

  /** Stays a member until {@link stop}, until kafkajs gives up, or until the group has not answered for too long. */
  async #member(): Promise<void> {
    const client = this.#open();
    const consumer = client.kafka.consumer({
      groupId: this.#group,
      sessionTimeout: SESSION_TIMEOUT_MS,
      rebalanceTimeout: SESSION_TIMEOUT_MS,
      heartbeatInterval: HEARTBEAT_MS,
      maxWaitTimeInMs: FETCH_WAIT_MS,
      allowAutoTopicCreation: false,
      retry: { retries: 3, restartOnFailure: async () => false },
    });
    const ended = Promise.withResolvers<void>();
    const end = (): void => ended.resolve();
    const unfollow = this.#follow(consumer, ended.reject);
    const started = performance.now();
    const watch = setInterval(() => {
      if (performance.now() - Math.max(started, this.#answered) > SILENT_MS) ended.reject(timedOut());
    }, WATCH_MS);
    const check = setInterval(() => void this.#checkTopic(ended.reject), CHECK_TOPIC_MS);
    this.#stop.signal.addEventListener('abort', end);
    try {
      await Promise.race([client.guard(this.#join(consumer)), ended.promise]);
      await ended.promise;
    } finally {
      this.#stop.signal.removeEventListener('abort', end);
      clearInterval(watch);
      clearInterval(check);
      unfollow();
      await closed(client.guard(consumer.disconnect()));
      client.end();
    }
  }

  async #join(consumer: Consumer): Promise<void> {
    await consumer.connect();
    await consumer.subscribe({ topic: OWNERS_TOPIC });
    await consumer.run({ autoCommit: false, eachBatch: async () => undefined });
  }

  /** Ends the membership when the topic is not as it was joined on; the next one begins by making it again. */
  async #checkTopic(failed: (error: Error) => void): Promise<void> {
    try {
      const partitions = (await this.#topics.count([OWNERS_TOPIC])).get(OWNERS_TOPIC) ?? 0;
      if (partitions < OWNERS_PARTITIONS) failed(ownersTopicChanged());
    } catch {
      // A Kafka that cannot be asked is noticed by the heartbeats.
    }
  }

  /** @returns a function that removes the listeners, because a discarded consumer must not report for its successor */
  #follow(consumer: Consumer, crashed: (error: Error) => void): () => void {
    const { GROUP_JOIN, HEARTBEAT, CRASH } = consumer.events;
    const listeners = [
      consumer.on(GROUP_JOIN, ({ payload }) => {
        this.#assigned = new Set(payload.memberAssignment[OWNERS_TOPIC]);
        this.#log.info({ group: this.#group, partitions: this.#assigned.size }, 'joined the owners group');
        this.#answer();
      }),
      consumer.on(HEARTBEAT, () => this.#answer()),
      consumer.on(CRASH, ({ payload }) => crashed(payload.error)),
    ];
    return () => {
      for (const remove of listeners) remove();
    };
  }

  #answer(): void {
    this.#answeredBefore = this.#answered;
    this.#answered = performance.now();
    this.#update();
  }

  #forget(): void {
    this.#assigned = new Set();
    this.#answered = Number.NEGATIVE_INFINITY;
    this.#answeredBefore = Number.NEGATIVE_INFINITY;
    this.#update();
  }

  #reliable(): boolean {
    return performance.now() - this.#answeredBefore < RELIABLE_MS;
  }

  #update(): void {
    const joined = this.#reliable();
    const held = joined ? this.#assigned : new Set<number>();
    if (joined) {
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

function ownersTopicChanged(): Error {
  return new TransientError('KafkaUnavailable', `${OWNERS_TOPIC} was deleted or made again while we were a member`);
}

function timedOut(): Error {
  return new TransientError('KafkaUnavailable', `the group has not answered for ${SILENT_MS / 1000} s`);
}

import { createErrorFromCode } from 'kafkajs/src/protocol/error.js';
import { decode } from 'kafkajs/src/protocol/requests/produce/v7/response.js';
import { type Broker, type Cluster, type Connection, leaderOf } from './cluster.ts';
import type { Client } from './connections.ts';
import { mayPass, NoLeaderError } from './errors.ts';
import { encodeProduce, outcomeOf, PRODUCE, type ProduceAnswer, shareOut } from './produce-request.ts';
import { keyOf, type RecordBatch } from './record-batch.ts';
import { repeat } from './repeat.ts';

/** Kafka recognizes a producer's last five batches in a partition when they come again. */
const IN_FLIGHT = 5;
const ANSWER_MS = 10_000;

interface Failure {
  readonly batch: RecordBatch;
  readonly error: unknown;
}

/**
 * Sends record batches to the brokers that lead their partitions, over kafkajs's connections. kafkajs's own way encodes and
 * copies a batch several times, and waits for each answer before it sends the next request.
 */
export class BatchSender {
  readonly #client: Client;
  readonly #cluster: Cluster;
  #unanswered = 0;

  constructor(client: Client, cluster: Cluster) {
    this.#client = client;
    this.#cluster = cluster;
  }

  /** Whether Kafka has answered everything that was sent. What it has not, it may still write. */
  get isSettled(): boolean {
    return this.#unanswered === 0;
  }

  /**
   * Sends sealed batches. When it resolves, each is written, and has its offset.
   *
   * When a leader has moved, what was not confirmed is sent to the next one, in its order and with its sequence numbers, so that
   * Kafka drops what it has already. It waits for all answers before.
   *
   * @param batches in the order of their sequence numbers
   * @param transactionalId null outside of a transaction
   * @param onAnswer called for each request that Kafka has answered
   * @throws what kafkajs throws, with the topic; UncertainCommitError when an answer is missing
   */
  async send(batches: readonly RecordBatch[], transactionalId: string | null, onAnswer?: () => void): Promise<void> {
    await repeat(this.#client, async () => {
      const open = batches.filter(({ baseOffset }) => baseOffset === undefined);
      const shares = await this.#shareByLeader(open);
      const failures = await Promise.all(
        shares.map(([leader, theirs]) => this.#sendTo(leader, theirs, transactionalId, onAnswer)),
      );
      const cause = causeOf(failures.flat());
      if (cause === undefined) return;
      if (mayPass(cause)) await this.#cluster.refreshMetadata();
      throw cause;
    });
  }

  async #shareByLeader(batches: readonly RecordBatch[]): Promise<[Broker, RecordBatch[]][]> {
    const leaders = new Map<string, Broker>();
    const shares = new Map<Broker, RecordBatch[]>();
    for (const batch of batches) {
      const leader = leaders.get(keyOf(batch)) ?? (await this.#leaderOf(batch));
      leaders.set(keyOf(batch), leader);
      shares.set(leader, [...(shares.get(leader) ?? []), batch]);
    }
    return [...shares];
  }

  async #leaderOf({ topic, partition }: RecordBatch): Promise<Broker> {
    try {
      return await leaderOf(this.#cluster, topic, partition);
    } catch (error) {
      // The topic may have got more partitions, or the leader may have moved, since the metadata were read.
      if (mayPass(error)) await this.#cluster.refreshMetadata();
      throw error;
    }
  }

  /** @returns what was not written, and why; what was not sent because of that is not among it */
  async #sendTo(
    leader: Broker,
    batches: readonly RecordBatch[],
    transactionalId: string | null,
    onAnswer?: () => void,
  ): Promise<readonly Failure[]> {
    const failures: Failure[] = [];
    const inFlight = new Set<Promise<void>>();
    const connection = await leader.connectionPool.getConnection();
    for (const together of shareOut(batches)) {
      if (inFlight.size >= IN_FLIGHT) await Promise.race(inFlight);
      if (failures.length > 0) break;
      const answered: Promise<void> = this.#request(connection, together, transactionalId)
        .then((answer) => {
          onAnswer?.();
          failures.push(...settle(together, answer));
        })
        .catch((error: unknown) => failures.push(...together.map((batch) => ({ batch, error }))))
        .then(() => void inFlight.delete(answered));
      inFlight.add(answered);
    }
    await Promise.all(inFlight);
    return failures;
  }

  async #request(
    connection: Connection,
    batches: readonly RecordBatch[],
    transactionalId: string | null,
  ): Promise<ProduceAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<{ payload: Buffer }>();
    // Nothing is waited for up to here, so that requests leave in the order of their sequence numbers.
    if (!connection.isConnected()) throw new NoLeaderError('the connection to a broker of Kafka was closed');
    const correlationId = connection.nextCorrelationId();
    const pieces = encodeProduce(connection.clientId, correlationId, transactionalId, batches);
    connection.requestQueue.push({
      entry: { ...PRODUCE, correlationId, resolve, reject },
      expectResponse: true,
      requestTimeout: ANSWER_MS,
      sendRequest: () => {
        const { socket } = connection;
        socket.cork();
        for (const piece of pieces) socket.write(piece);
        socket.uncork();
      },
    });
    this.#unanswered += 1;
    const { payload } = await promise;
    this.#unanswered -= 1;
    const { clientSideThrottleTime, ...answer } = await decode(payload);
    connection.requestQueue.maybeThrottle(clientSideThrottleTime);
    return answer;
  }
}

/** Notes where batches were written. @returns those that were not */
function settle(batches: readonly RecordBatch[], answer: ProduceAnswer): Failure[] {
  return batches.flatMap((batch) => {
    const outcome = outcomeOf(batch, answer);
    if ('errorCode' in outcome) {
      const { topic, partition } = batch;
      return [{ batch, error: Object.assign(createErrorFromCode(outcome.errorCode), { topic, partition }) }];
    }
    batch.baseOffset = outcome.baseOffset;
    batch.release();
    return [];
  });
}

/**
 * The error that counts: of each partition its first, since what comes behind a batch that was refused is refused for that
 * reason; and one that does not pass before one that does.
 */
function causeOf(failures: readonly Failure[]): unknown {
  const first = new Map<string, unknown>();
  for (const { batch, error } of failures) if (!first.has(keyOf(batch))) first.set(keyOf(batch), error);
  const causes = [...first.values()];
  return causes.find((error) => !mayPass(error)) ?? causes[0];
}

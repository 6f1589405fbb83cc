import { UncertainCommitError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import { type Cluster, COORDINATOR } from './cluster.ts';
import type { Client } from './connections.ts';
import { protocolError } from './errors.ts';
import { keyOf, type Place, type ProducerIdentity } from './record-batch.ts';
import { repeat } from './repeat.ts';

type CoordinatingBroker = Awaited<ReturnType<Cluster['findGroupCoordinator']>>;

/** Kafka aborts a transaction that is older than this. After a crash, readers of the same topics wait that long. */
export const TRANSACTION_TIMEOUT_MS = 10_000;

const NOT_ALLOWED =
  'this sidecar may not write to a topic any more, where Kafka may have left a transaction of it open; that is not ended. If ' +
  'readers of committed records wait there, allow WRITE again, or end it with kafka-transactions.sh abort';

/** The transactions of one transactional id, as their coordinator keeps them. All its methods throw what kafkajs throws. */
export class TransactionCoordinator {
  readonly #client: Client;
  readonly #cluster: Cluster;
  readonly #transactionalId: string;
  readonly #known = new Map<string, CoordinatingBroker>();

  constructor(client: Client, cluster: Cluster, transactionalId: string) {
    this.#client = client;
    this.#cluster = cluster;
    this.#transactionalId = transactionalId;
  }

  /**
   * Fences every earlier producer of this transactional id, and aborts what it has left open.
   *
   * @param timeoutMs after which Kafka aborts a transaction by itself
   */
  async initProducer(timeoutMs: number): Promise<ProducerIdentity> {
    const transactionalId = this.#transactionalId;
    const { producerId, producerEpoch } = await this.#ask((broker) =>
      broker.initProducerId({ transactionalId, transactionTimeout: timeoutMs }),
    );
    return { producerId: BigInt(producerId), producerEpoch };
  }

  /** Begins a transaction where none is open. Nothing may be written to a partition before it is added. */
  async addPartitions(by: ProducerIdentity, places: readonly Place[]): Promise<void> {
    const topics = new Map<string, Set<number>>();
    for (const { topic, partition } of places) {
      topics.set(topic, (topics.get(topic) ?? new Set<number>()).add(partition));
    }
    const request = {
      ...this.#inTransaction(by),
      topics: [...topics].map(([topic, partitions]) => ({ topic, partitions: [...partitions] })),
    };
    const { errors: answers } = await this.#ask((broker) => broker.addPartitionsToTxn(request));
    const added = new Set(
      answers.flatMap(({ topic, partitionErrors }) =>
        partitionErrors.map(({ partition }) => keyOf({ topic, partition })),
      ),
    );
    const missing = places.find((place) => !added.has(keyOf(place)));
    if (missing) throw new UncertainCommitError(`Kafka did not say that ${keyOf(missing)} is in the transaction`);
  }

  /**
   * As {@link addPartitions}, without those that may not be written to any more. What Kafka has left open there cannot be ended by
   * us, and that must not keep all others waiting.
   *
   * @returns those that were added
   */
  async addAllowed(by: ProducerIdentity, places: readonly Place[], log: Logger): Promise<readonly Place[]> {
    for (let allowed = places; allowed.length > 0; ) {
      try {
        await this.addPartitions(by, allowed);
        return allowed;
      } catch (error) {
        const { type, topic: refused } = protocolError(error) ?? {};
        const others = allowed.filter(({ topic }) => topic !== refused);
        if (type !== 'TOPIC_AUTHORIZATION_FAILED' || others.length === allowed.length) throw error;
        log.warn({ topic: refused }, NOT_ALLOWED);
        allowed = others;
      }
    }
    return [];
  }

  /** Commits a group's offsets with the transaction. */
  async commitOffsets(
    by: ProducerIdentity,
    groupId: string,
    topic: string,
    offsets: Readonly<Record<string, string>>,
  ): Promise<void> {
    const inGroup = { ...this.#inTransaction(by), groupId };
    await this.#ask((broker) => broker.addOffsetsToTxn(inGroup));
    const partitions = Object.entries(offsets).map(([partition, offset]) => ({ partition: Number(partition), offset }));
    await this.#ask((broker) => broker.txnOffsetCommit({ ...inGroup, topics: [{ topic, partitions }] }), groupId);
  }

  /** Commits or aborts. All that was sent must have been answered. Done twice it is done once. */
  async end(by: ProducerIdentity, how: 'commit' | 'abort'): Promise<void> {
    const request = { ...this.#inTransaction(by), transactionResult: how === 'commit' };
    await this.#ask((broker) => broker.endTxn(request));
  }

  #inTransaction({ producerId, producerEpoch }: ProducerIdentity) {
    return { transactionalId: this.#transactionalId, producerId: String(producerId), producerEpoch };
  }

  /** @param groupId whose coordinator is asked, which else is that of the transactions. It is remembered until it fails */
  async #ask<Answer>(request: (broker: CoordinatingBroker) => Promise<Answer>, groupId?: string): Promise<Answer> {
    const key = groupId ?? '';
    return repeat(this.#client, async () => {
      const broker = this.#known.get(key) ?? (await this.#find(groupId));
      this.#known.set(key, broker);
      try {
        return await request(broker);
      } catch (error) {
        this.#known.delete(key);
        throw error;
      }
    });
  }

  #find(groupId: string | undefined): Promise<CoordinatingBroker> {
    return this.#cluster.findGroupCoordinator(
      groupId === undefined
        ? { groupId: this.#transactionalId, coordinatorType: COORDINATOR.ofTransactions }
        : { groupId, coordinatorType: COORDINATOR.ofGroup },
    );
  }
}

import { type OwnedName, partitionOf } from '../../common/contract/names.ts';
import { UncertainCommitError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { EncodedBatch } from '../ports.ts';
import { recordValue } from '../replay/record-value.ts';
import type { Mark } from '../replay/redriven.ts';
import { BatchSender } from './batch-sender.ts';
import { BufferPool } from './buffer-pool.ts';
import { type Cluster, createCluster } from './cluster.ts';
import type { Client } from './connections.ts';
import { TransactionCoordinator } from './coordinator.ts';
import { translateInTransaction } from './errors.ts';
import type { FetchedRecord } from './fetch.ts';
import { LargeTransactions, NO_PLACE } from './large-transactions.ts';
import { OutgoingBatch, type Target } from './outgoing-batch.ts';
import { type BatchRecord, type Place, type ProducerIdentity, RecordBatch } from './record-batch.ts';
import { Sequences } from './sequences.ts';
import { closed, withTimeout } from './timeout.ts';
import type { Topics } from './topics.ts';
import { transactionHeaders } from './transaction-headers.ts';
import { finishCommit } from './unfinished-commit.ts';

/**
 * The longest time that sending or committing a batch may take. Kafka aborts a transaction that is older than its time-out
 * (10 s, see fence.ts), so nothing slower could commit.
 */
const STEP_DEADLINE_MS = 12_000;

/** The only key in a position topic, so that compaction keeps one record. */
export const POSITION_KEY = 'position';
/** Not the position's, so that nobody takes the record for one. */
const END_KEY = 'end';

/** Of all writers together: what one has sent, the next can use. */
const POOL = new BufferPool();
/** Of all writers together: they share one Kafka. */
const LARGE_TRANSACTIONS = new LargeTransactions();

export interface WriterParts {
  /** The writer's own client, which ends with it. */
  readonly client: Client;
  readonly topics: Topics;
  /** All of its records go to one partition of each topic. */
  readonly owner: OwnedName;
  readonly transactionalId: string;
  readonly positionTopic: string;
}

/**
 * Writes the transactions of one owner, after it has fenced all earlier writers. While one transaction is sent and committed, the
 * records of the next one can be encoded. After any error it is of no more use: its sequence numbers are never taken back.
 */
export class TransactionalWriter {
  readonly #parts: WriterParts;
  readonly #cluster: Cluster;
  readonly #coordinator: TransactionCoordinator;
  readonly #sender: BatchSender;
  readonly #sequences = new Sequences();
  #by: ProducerIdentity | undefined;
  #encoding: OutgoingBatch | undefined;
  #isOpen = false;
  /** Of the positions of the open transaction. */
  #headers: Readonly<Record<string, string>> = {};
  /** Of the open transaction among the large ones. */
  #place = NO_PLACE;

  constructor(parts: WriterParts) {
    const { client, transactionalId } = parts;
    this.#parts = parts;
    this.#cluster = createCluster(client.kafka);
    this.#coordinator = new TransactionCoordinator(client, this.#cluster, transactionalId);
    this.#sender = new BatchSender(client, this.#cluster);
  }

  /**
   * Fences every earlier writer.
   *
   * @param timeoutMs after which Kafka aborts a transaction by itself
   * @throws what kafkajs throws
   */
  async fence(timeoutMs: number): Promise<void> {
    await this.#cluster.connect();
    await this.#cluster.addTargetTopic(this.#parts.positionTopic);
    this.#by = await this.#coordinator.initProducer(timeoutMs);
  }

  /**
   * Writes a record behind the position. Only a broker that leads the topic for all others can confirm it, and everything that
   * was committed before is before it. No other answer tells so: a broker that has just become the leader may not know yet how
   * much is committed, and one that was cut off may not know that it leads no more.
   *
   * It is in no transaction. In one of the owner's own, it would end there what Kafka has left open (hanging-transaction.ts), and
   * only there. It has no value, so that compaction removes it.
   *
   * @returns the offset of that record
   * @throws what kafkajs throws
   */
  async markEnd(): Promise<bigint> {
    const batch = this.#positionBatch();
    batch.add({ key: END_KEY, value: null });
    batch.seal(undefined, 0);
    await this.#sender.send([batch], null);
    return batch.baseOffset as bigint;
  }

  /** See {@link finishCommit}. @throws what kafkajs throws */
  async finishCommit(position: FetchedRecord, isDecided: boolean, log: Logger): Promise<void> {
    const { client } = this.#parts;
    const by = this.#identity();
    await finishCommit(
      { client, cluster: this.#cluster, coordinator: this.#coordinator, by, log },
      position,
      isDecided,
    );
  }

  /** Begins a batch. The one before must have been given to {@link send}. */
  begin(): OutgoingBatch {
    if (this.#encoding) throw new Error('a batch is encoded while the one before it is');
    this.#encoding = new OutgoingBatch({
      targetOf: (topic) => this.#target(topic),
      seal: (batch) => this.#seal(batch),
      pool: POOL,
    });
    return this.#encoding;
  }

  /**
   * Begins a transaction and sends a batch, and the position after it.
   *
   * @param position encoded
   */
  async send(batch: EncodedBatch, position: string): Promise<void> {
    const encoding = this.#encoding;
    if (encoding === undefined || batch !== encoding) throw new Error('a batch is sent that was not begun last');
    this.#encoding = undefined;
    const batches = encoding.finish(this.#positions(), (others) => {
      this.#headers = transactionHeaders(this.#identity(), others);
      return positionRecord(position, this.#headers);
    });
    this.#place = await LARGE_TRANSACTIONS.enter(batches.reduce((sum, { bytes }) => sum + bytes.length, 0));
    await this.#step('send a batch to Kafka', async (by) => {
      this.#isOpen = true;
      await this.#coordinator.addPartitions(by, batches);
      await this.#sender.send(batches, this.#parts.transactionalId, () => this.#place.answered());
    });
  }

  /** Sends another position, which counts in place of the one before, with the open transaction. @param position encoded */
  async sendPosition(position: string): Promise<void> {
    const batch = this.#positionBatch();
    batch.add(positionRecord(position, this.#headers));
    this.#seal(batch);
    await this.#step('send a batch to Kafka', () => this.#sender.send([batch], this.#parts.transactionalId));
  }

  /** Sends what else belongs into the position topic, with the open transaction. A record without a value is removed. */
  async sendMarks(marks: readonly Mark[]): Promise<void> {
    const batch = this.#positionBatch();
    for (const { key, value } of marks) batch.add({ key, value: value === null ? null : recordValue(value) });
    this.#seal(batch);
    await this.#step('send a batch to Kafka', () => this.#sender.send([batch], this.#parts.transactionalId));
  }

  /** Commits a group's offsets with the open transaction. @param offsets by partition */
  async sendOffsets(group: string, topic: string, offsets: Readonly<Record<string, string>>): Promise<void> {
    await this.#step('send a batch to Kafka', (by) => this.#coordinator.commitOffsets(by, group, topic, offsets));
  }

  /** Commits what was sent. Durable and visible when this resolves. */
  async commit(): Promise<void> {
    if (!this.#isOpen) throw new Error('nothing was sent that could be committed');
    await this.#step('commit a batch in Kafka', (by) => this.#coordinator.end(by, 'commit'));
    this.#isOpen = false;
    this.#place.leave();
  }

  /** Aborts the open transaction, if there is one; never throws. */
  async close(): Promise<void> {
    const { client } = this.#parts;
    this.#place.leave();
    // Where it is not, or fails, the next take-over aborts the transaction, or Kafka does when it is too old. What Kafka has not
    // answered it may write later, and nothing would end that but a newer producer.
    if (this.#isOpen && this.#by && this.#sender.isSettled) await closed(this.#coordinator.end(this.#by, 'abort'));
    await closed(client.guard(this.#cluster.disconnect()));
    client.end();
  }

  async #step(doing: string, work: (by: ProducerIdentity) => Promise<void>): Promise<void> {
    const { client, topics } = this.#parts;
    try {
      await withTimeout(STEP_DEADLINE_MS, client.guard(work(this.#identity())), timedOut);
    } catch (error) {
      // A changed topic may be the cause of any failure: a deleted one, one with fewer partitions, one with other limits.
      topics.forget();
      throw translateInTransaction(error, doing, { right: 'WRITE' });
    }
  }

  #identity(): ProducerIdentity {
    if (!this.#by) throw new Error('a writer writes before it has fenced the others');
    return this.#by;
  }

  #seal(batch: RecordBatch): void {
    batch.seal(this.#identity(), this.#sequences.take(batch, batch.count));
  }

  #target(topic: string): Target {
    const { partitions, maxMessageBytes } = this.#parts.topics.known(topic);
    return { partition: partitionOf(this.#parts.owner, partitions), maxMessageBytes };
  }

  #positionBatch(): RecordBatch {
    const positions = this.#positions();
    return new RecordBatch(positions, positions.maxMessageBytes, POOL, Date.now());
  }

  /** How the position topic is written to: it has one partition that counts. */
  #positions(): Target & Place {
    const { positionTopic: topic, topics } = this.#parts;
    return { topic, partition: 0, maxMessageBytes: topics.known(topic).maxMessageBytes };
  }
}

function positionRecord(position: string, headers: BatchRecord['headers']): BatchRecord {
  return { key: POSITION_KEY, value: recordValue(Buffer.from(position, 'utf8')), headers };
}

function timedOut(): Error {
  return new UncertainCommitError(
    `Kafka has not answered for ${STEP_DEADLINE_MS / 1000} s; the next take-over finds out whether the batch was committed`,
  );
}

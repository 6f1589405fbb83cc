import type { Message, Producer, Transaction } from 'kafkajs';
import { type OwnedName, partitionOf } from '../../common/contract/names.ts';
import { UncertainCommitError } from '../../common/errors.ts';
import type { OutgoingRecord, RecordLocation } from '../replay/outgoing-record.ts';
import { offsetOf, splitIntoRequests, type Target, type TopicPart } from './batch-requests.ts';
import type { Client } from './connections.ts';
import { translateInTransaction } from './errors.ts';
import { PARTITIONS_HEADER } from './hanging-transaction.ts';
import { closed, withTimeout } from './timeout.ts';
import type { Topics } from './topics.ts';

/**
 * The longest time that sending or committing a batch may take. Kafka aborts a transaction that is older than its time-out
 * (10 s, see fence.ts), so nothing slower could commit.
 */
const STEP_DEADLINE_MS = 12_000;

/** The only key in a position topic, so that compaction keeps one record. */
export const POSITION_KEY = 'position';

export interface WriterParts {
  /** The producer's own client, which ends with the writer. */
  readonly client: Client;
  readonly producer: Producer;
  readonly topics: Topics;
  /** All of its records go to one partition of each topic. */
  readonly owner: OwnedName;
  readonly positionTopic: string;
}

/** Sends more in the transaction in which records were written, once their locations are known. */
export type Finish = (transaction: Transaction, locations: readonly RecordLocation[]) => Promise<void>;

/** Writes the transactions of one owner through a producer that has fenced all earlier ones. */
export class TransactionalWriter {
  readonly #client: Client;
  readonly #producer: Producer;
  readonly #topics: Topics;
  readonly #owner: OwnedName;
  readonly #positionTopic: string;
  #transaction: Transaction | undefined;

  constructor({ client, producer, topics, owner, positionTopic }: WriterParts) {
    this.#client = client;
    this.#producer = producer;
    this.#topics = topics;
    this.#owner = owner;
    this.#positionTopic = positionTopic;
  }

  /**
   * Begins a transaction and sends records, and the position after them.
   *
   * @param position encoded
   * @param finish what else belongs into the transaction
   * @returns a location per record, in the order given
   */
  async send(records: readonly OutgoingRecord[], position: string, finish?: Finish): Promise<RecordLocation[]> {
    try {
      const sending = this.#client.guard(this.#send(records, position, finish));
      return await withTimeout(STEP_DEADLINE_MS, sending, timedOut);
    } catch (error) {
      throw this.#failed(error, 'send a batch to Kafka');
    }
  }

  /** Commits what was sent. Durable and visible when this resolves. */
  async commit(): Promise<void> {
    if (!this.#transaction) throw new Error('nothing was sent that could be committed');
    try {
      await withTimeout(STEP_DEADLINE_MS, this.#client.guard(this.#transaction.commit()), timedOut);
      this.#transaction = undefined;
    } catch (error) {
      throw this.#failed(error, 'commit a batch in Kafka');
    }
  }

  /** Aborts the open transaction, if there is one; never throws. */
  async close(): Promise<void> {
    // When this fails, the next take-over aborts the transaction, or Kafka does when it is too old.
    if (this.#transaction?.isActive()) await closed(this.#client.guard(this.#transaction.abort()));
    await closed(this.#client.guard(this.#producer.disconnect()));
    this.#client.end();
  }

  async #send(
    records: readonly OutgoingRecord[],
    position: string,
    finish: Finish | undefined,
  ): Promise<RecordLocation[]> {
    // Before anything else is waited for: all of a batch is sent by the same knowledge of its topics.
    const [first = [], ...more] = splitIntoRequests(records, (topic) => this.#target(topic));
    const message = this.#positionRecord(records, position);
    // With the first request, so that whatever Kafka has of a transaction, it has the position that names the rest.
    first.push({ topic: this.#positionTopic, partition: 0, messages: [message], indexes: [] });
    const locations = new Array<RecordLocation>(records.length);
    const transaction = await this.#producer.transaction();
    this.#transaction = transaction;
    for (const parts of [first, ...more]) await produce(transaction, parts, locations);
    await finish?.(transaction, locations);
    return locations;
  }

  /** A changed topic may be the cause of any failure: a deleted one, one with fewer partitions, one with other limits. */
  #failed(error: unknown, doing: string): Error {
    this.#topics.forget();
    return translateInTransaction(error, doing, { right: 'WRITE' });
  }

  #positionRecord(records: readonly OutgoingRecord[], position: string): Message {
    const topics = new Set(records.map(({ topic }) => topic));
    const partitions = Object.fromEntries([...topics].map((topic) => [topic, this.#target(topic).partition]));
    return {
      key: POSITION_KEY,
      value: position,
      partition: 0,
      headers: { [PARTITIONS_HEADER]: JSON.stringify(partitions) },
    };
  }

  #target(topic: string): Target {
    const { partitions, maxMessageBytes } = this.#topics.known(topic);
    return { partition: partitionOf(this.#owner, partitions), maxMessageBytes };
  }
}

/** @throws UncertainCommitError unless Kafka has confirmed every record, see {@link offsetOf} */
async function produce(
  transaction: Transaction,
  parts: readonly TopicPart[],
  locations: RecordLocation[],
): Promise<void> {
  const topicMessages = parts.map(({ topic, messages }) => ({ topic, messages }));
  const answers = await transaction.sendBatch({ topicMessages, acks: -1 });
  for (const part of parts) {
    const { topic, partition, indexes } = part;
    const baseOffset = offsetOf(part, answers);
    for (const [nth, index] of indexes.entries()) {
      locations[index] = { topic, partition, offset: String(baseOffset + BigInt(nth)) };
    }
  }
}

function timedOut(): Error {
  return new UncertainCommitError(
    `Kafka has not answered for ${STEP_DEADLINE_MS / 1000} s; the next take-over finds out whether the batch was committed`,
  );
}

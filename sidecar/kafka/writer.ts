import type { Message, Producer, TopicMessages, Transaction } from 'kafkajs';
import { partitionOf, type SyncName } from '../../common/contract/names.ts';
import { UncertainCommitError } from '../../common/errors.ts';
import type { ReplayWriter } from '../ports.ts';
import type { OutgoingRecord, RecordLocation } from '../replay/outgoing-record.ts';
import { encodePosition, type Position } from '../replay/position.ts';
import { RecordTooLargeError, translateInTransaction } from './errors.ts';
import { PARTITIONS_HEADER } from './hanging-transaction.ts';
import { closed, withTimeout } from './timeout.ts';
import type { Topics } from './topics.ts';

/**
 * Longest that sending or committing a batch may take. Kafka aborts a transaction by itself when it is older than its
 * time-out (10 s, see fence.ts), so that nothing slower could commit.
 */
const STEP_DEADLINE_MS = 12_000;

/** The only key in a position topic, so that compaction leaves one record. */
export const POSITION_KEY = 'position';

/** What a record adds to a batch besides its value: lengths, offset and time deltas. */
const RECORD_BYTES = 40;
/** The header of a batch, with something on top. */
const BATCH_BYTES = 256;

/** Writes transactions of one peer, through a producer that has fenced all before it. */
export class TransactionalWriter implements ReplayWriter {
  readonly #producer: Producer;
  readonly #topics: Topics;
  readonly #peer: SyncName;
  readonly #positionTopic: string;
  #transaction: Transaction | undefined;

  constructor(producer: Producer, topics: Topics, peer: SyncName, positionTopic: string) {
    this.#producer = producer;
    this.#topics = topics;
    this.#peer = peer;
    this.#positionTopic = positionTopic;
  }

  async send(records: readonly OutgoingRecord[], position: Position): Promise<RecordLocation[]> {
    try {
      return await withTimeout(STEP_DEADLINE_MS, this.#send(records, position), timedOut);
    } catch (error) {
      const translated = translateInTransaction(error, 'send a batch to Kafka');
      // The limit was lowered since it was read; the next take-over reads it again and rejects the record.
      if (translated instanceof RecordTooLargeError) this.#topics.forget();
      throw translated;
    }
  }

  async #send(records: readonly OutgoingRecord[], position: Position): Promise<RecordLocation[]> {
    this.#transaction = await this.#producer.transaction();
    const requests = this.#split(records);
    const locations = new Array<RecordLocation>(records.length);
    const [first = new Request(), ...more] = requests;
    // With the first, so that whatever Kafka has of a transaction, it has the position that tells of the rest.
    first.topicMessages.push({ topic: this.#positionTopic, messages: [this.#positionRecord(records, position)] });
    for (const request of [first, ...more]) await this.#produce(request.topicMessages, request.indexes, locations);
    return locations;
  }

  async commit(): Promise<void> {
    if (!this.#transaction) throw new Error('nothing was sent that could be committed');
    try {
      await withTimeout(STEP_DEADLINE_MS, this.#transaction.commit(), timedOut);
      this.#transaction = undefined;
    } catch (error) {
      throw translateInTransaction(error, 'commit a batch in Kafka');
    }
  }

  async close(): Promise<void> {
    // Without, whoever takes over next aborts it, or Kafka does when it times out.
    if (this.#transaction?.isActive()) await closed(this.#transaction.abort());
    await closed(this.#producer.disconnect());
  }

  async #produce(
    topicMessages: readonly TopicMessages[],
    indexes: readonly (readonly number[])[],
    locations: RecordLocation[],
  ): Promise<void> {
    const transaction = this.#transaction as Transaction;
    const answers = await transaction.sendBatch({ topicMessages: [...topicMessages], acks: -1 });
    const offsets = new Map(
      answers.map(({ topicName, partition, baseOffset }) => [topicName, { partition, baseOffset }]),
    );
    for (const [at, { topic }] of topicMessages.entries()) {
      const answer = offsets.get(topic);
      for (const [nth, index] of (indexes[at] ?? []).entries()) {
        const offset = answer?.baseOffset === undefined ? '?' : String(BigInt(answer.baseOffset) + BigInt(nth));
        locations[index] = { topic, partition: answer?.partition ?? 0, offset };
      }
    }
  }

  #positionRecord(records: readonly OutgoingRecord[], position: Position): Message {
    const topics = new Set(records.map(({ topic }) => topic));
    const partitions = Object.fromEntries([...topics].map((topic) => [topic, this.#partitionOf(topic)]));
    return {
      key: POSITION_KEY,
      value: encodePosition(position),
      partition: 0,
      headers: { [PARTITIONS_HEADER]: JSON.stringify(partitions) },
    };
  }

  #partitionOf(topic: string): number {
    return partitionOf(this.#peer, this.#topics.known(topic).partitions);
  }

  /**
   * Cuts records into requests, since what is sent to one partition at once becomes one record batch, and a broker takes
   * batches up to the topic's max.message.bytes only.
   */
  #split(records: readonly OutgoingRecord[]): Request[] {
    const requests: Request[] = [];
    const open = new Map<string, { request: number; bytes: number }>();
    for (const [index, record] of records.entries()) {
      const { maxMessageBytes } = this.#topics.known(record.topic);
      const size = sizeOf(record);
      const current = open.get(record.topic) ?? { request: 0, bytes: BATCH_BYTES };
      if (current.bytes > BATCH_BYTES && current.bytes + size > maxMessageBytes) {
        current.request += 1;
        current.bytes = BATCH_BYTES;
      }
      current.bytes += size;
      open.set(record.topic, current);
      requests[current.request] ??= new Request();
      requests[current.request]?.add(index, record, this.#partitionOf(record.topic));
    }
    return requests;
  }
}

function timedOut(): Error {
  return new UncertainCommitError(
    `Kafka has not answered for ${STEP_DEADLINE_MS / 1000} s; the next take-over finds out whether the batch was committed`,
  );
}

class Request {
  readonly topicMessages: { topic: string; messages: Message[] }[] = [];
  /** For each of the topics, which records of the batch its messages are. */
  readonly indexes: number[][] = [];
  readonly #places = new Map<string, number>();

  add(index: number, record: OutgoingRecord, partition: number): void {
    let place = this.#places.get(record.topic);
    if (place === undefined) {
      place = this.topicMessages.push({ topic: record.topic, messages: [] }) - 1;
      this.indexes.push([]);
      this.#places.set(record.topic, place);
    }
    const { value, headers } = record;
    this.topicMessages[place]?.messages.push(
      headers ? { key: null, value, headers: { ...headers }, partition } : { key: null, value, partition },
    );
    this.indexes[place]?.push(index);
  }
}

function sizeOf(record: OutgoingRecord): number {
  let size = record.value.length + RECORD_BYTES;
  for (const [name, text] of Object.entries(record.headers ?? {})) size += name.length + text.length + 10;
  return size;
}

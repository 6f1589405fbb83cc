import type { Message } from 'kafkajs';
import { UncertainCommitError } from '../../common/errors.ts';
import type { OutgoingRecord } from '../replay/outgoing-record.ts';
import { bytesOf } from '../replay/record-value.ts';

/** Cuts a batch into produce requests, and finds each record's place in the answers. Pure. */

/** What a record adds to a batch besides its value: lengths, offset and time deltas. */
const RECORD_BYTES = 40;
/** The header of a batch, with something on top. */
const BATCH_BYTES = 256;

/**
 * What a request may have in all. Kafka hangs up at socket.request.max.bytes, by default 100 MiB, and the two records of one
 * message of the largest size allowed have more. The largest single record, such a message in base64, has 90 MB.
 */
const REQUEST_BYTES = 32 * 1024 * 1024;

/** What is sent to one topic with one request: all of it to one partition, hence as one record batch. */
export interface TopicPart {
  readonly topic: string;
  readonly partition: number;
  readonly messages: Message[];
  /** Which records of the batch the messages are, in their order; empty for the position. */
  readonly indexes: number[];
}

/** How a topic is written to. */
export interface Target {
  readonly partition: number;
  readonly maxMessageBytes: number;
}

/**
 * Cuts records into requests, because what is sent to one partition at once becomes one record batch, and a broker takes
 * batches only up to the topic's max.message.bytes, and requests only up to a limit of its own.
 *
 * @returns the parts of each request, in the order in which the requests have to be sent
 */
export function splitIntoRequests(
  records: readonly OutgoingRecord[],
  targetOf: (topic: string) => Target,
): TopicPart[][] {
  const requests: Map<string, TopicPart>[] = [];
  const requestBytes: number[] = [];
  const open = new Map<string, { request: number; bytes: number }>();
  for (const [index, record] of records.entries()) {
    const { partition, maxMessageBytes } = targetOf(record.topic);
    const size = sizeOf(record);
    const current = open.get(record.topic) ?? { request: 0, bytes: BATCH_BYTES };
    if (current.bytes > BATCH_BYTES && current.bytes + size > maxMessageBytes) {
      current.request += 1;
      current.bytes = BATCH_BYTES;
    }
    for (let sent = requestBytes[current.request]; sent && sent + size > REQUEST_BYTES; ) {
      current.request += 1;
      current.bytes = BATCH_BYTES;
      sent = requestBytes[current.request];
    }
    current.bytes += size;
    requestBytes[current.request] = (requestBytes[current.request] ?? 0) + size;
    open.set(record.topic, current);
    const request = requests[current.request] ?? new Map<string, TopicPart>();
    requests[current.request] = request;
    const part = request.get(record.topic) ?? { topic: record.topic, partition, messages: [], indexes: [] };
    request.set(record.topic, part);
    part.messages.push(messageOf(record, part.partition));
    part.indexes.push(index);
  }
  return requests.map((request) => [...request.values()]);
}

function messageOf({ value, headers }: OutgoingRecord, partition: number): Message {
  const bytes = bytesOf(value);
  return headers
    ? { key: null, value: bytes, headers: { ...headers }, partition }
    : { key: null, value: bytes, partition };
}

function sizeOf(record: OutgoingRecord): number {
  let size = record.value.length + RECORD_BYTES;
  for (const [name, text] of Object.entries(record.headers ?? {})) size += name.length + text.length + 10;
  return size;
}

/** As much of kafkajs's `RecordMetadata` as counts. */
export interface ProduceAnswer {
  readonly topicName: string;
  readonly partition: number;
  readonly baseOffset?: string;
}

/**
 * The offset of a part's first record.
 *
 * kafkajs leaves out of a request, without a word, every partition that its metadata do not have, and then every topic
 * without partitions. And when a partition's leader moves while it retries, it can send one part twice. So a part counts
 * as written only when exactly one answer is for its topic and partition, and has an offset.
 *
 * @throws UncertainCommitError when anything else was answered; the batch must not be committed
 */
export function offsetOf({ topic, partition }: TopicPart, answers: readonly ProduceAnswer[]): bigint {
  const ours = answers.filter((answer) => answer.topicName === topic);
  const [answer] = ours;
  const isComplete = ours.length === 1 && answer?.partition === partition && /^\d+$/.test(answer.baseOffset ?? '');
  if (isComplete) return BigInt(answer.baseOffset as string);
  const places = ours.map((one) => `${one.partition}:${one.baseOffset ?? 'none'}`).join(', ');
  throw new UncertainCommitError(
    `Kafka did not confirm the records for ${topic}, partition ${partition} (answered: ${places || 'nothing'}). The batch is ` +
      'not committed; the topic is asked for again, and the batch is sent again',
  );
}

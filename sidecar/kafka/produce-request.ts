import { UncertainCommitError } from '../../common/errors.ts';
import { keyOf, type Place, type RecordBatch } from './record-batch.ts';

/** Kafka's Produce request, version 7. Pure. */

export const PRODUCE = { apiKey: 0, apiVersion: 7, apiName: 'Produce' } as const;

/**
 * What a request may have in all. Kafka hangs up at socket.request.max.bytes, by default 100 MiB, and the two records of one
 * message of the largest size allowed have more. The largest single record, such a message in base64, has 90 MB.
 */
const REQUEST_BYTES = 32 * 1024 * 1024;

/** A record counts as written when all replicas in sync have it. */
const ALL_IN_SYNC = -1;
/** How long a broker may wait for the replicas. */
const REPLICAS_WITHIN_MS = 10_000;

/**
 * Shares batches out to requests: Kafka takes one batch for each partition with a request.
 *
 * @param batches in the order in which they have to be written
 * @returns the batches of each request, in the order in which the requests have to be sent
 */
export function shareOut(batches: readonly RecordBatch[]): RecordBatch[][] {
  const requests: { batches: RecordBatch[]; bytes: number }[] = [];
  const next = new Map<string, number>();
  for (const batch of batches) {
    const key = keyOf(batch);
    const size = batch.bytes.length;
    let at = next.get(key) ?? 0;
    for (let taken = requests[at]; taken && taken.bytes + size > REQUEST_BYTES; taken = requests[at]) at += 1;
    const request = requests[at] ?? { batches: [], bytes: 0 };
    requests[at] = request;
    request.batches.push(batch);
    request.bytes += size;
    next.set(key, at + 1);
  }
  return requests.map((request) => request.batches);
}

/** @param transactionalId null outside of a transaction @returns the request in pieces, so that no batch is copied */
export function encodeProduce(
  clientId: string,
  correlationId: number,
  transactionalId: string | null,
  batches: readonly RecordBatch[],
): readonly Buffer[] {
  const body = batches.flatMap((batch) => {
    const { bytes } = batch;
    const head = [string(batch.topic), int32(1), int32(batch.partition), int32(bytes.length)];
    return [Buffer.concat(head), bytes];
  });
  const head = Buffer.concat([
    int16(PRODUCE.apiKey),
    int16(PRODUCE.apiVersion),
    int32(correlationId),
    string(clientId),
    string(transactionalId),
    int16(ALL_IN_SYNC),
    int32(REPLICAS_WITHIN_MS),
    int32(batches.length),
  ]);
  const size = body.reduce((sum, piece) => sum + piece.length, head.length);
  return [Buffer.concat([int32(size), head]), ...body];
}

/** As much as counts of what kafkajs has decoded of an answer. */
export interface ProduceAnswer {
  readonly topics: readonly {
    readonly topicName: string;
    readonly partitions: readonly {
      readonly partition: number;
      readonly errorCode: number;
      readonly baseOffset: string;
    }[];
  }[];
}

/** What Kafka has answered for a batch: the offset of its first record, or the code of an error. */
export type Outcome = { readonly baseOffset: bigint } | { readonly errorCode: number };

/**
 * What became of a batch. It counts as written only when exactly one answer is for its partition, and has an offset.
 *
 * @throws UncertainCommitError when anything else was answered; the transaction must not be committed
 */
export function outcomeOf({ topic, partition }: Place, { topics }: ProduceAnswer): Outcome {
  const ours = topics.filter(({ topicName }) => topicName === topic).flatMap(({ partitions }) => partitions);
  const [answer] = ours;
  if (ours.length === 1 && answer?.partition === partition) {
    const { errorCode, baseOffset } = answer;
    if (errorCode !== 0) return { errorCode };
    if (/^\d+$/.test(baseOffset)) return { baseOffset: BigInt(baseOffset) };
  }
  const places = ours.map((one) => `${one.partition}:${one.baseOffset}`).join(', ');
  throw new UncertainCommitError(
    `Kafka did not confirm the records for ${topic}, partition ${partition} (answered: ${places || 'nothing'}). The batch is ` +
      'not committed; the topic is asked for again, and the batch is sent again',
  );
}

function int16(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function string(text: string | null): Buffer {
  if (text === null) return int16(-1);
  const bytes = Buffer.from(text, 'utf8');
  return Buffer.concat([int16(bytes.length), bytes]);
}

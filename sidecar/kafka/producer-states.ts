import Decoder from 'kafkajs/src/protocol/decoder.js';
import Encoder from 'kafkajs/src/protocol/encoder.js';
import { createErrorFromCode } from 'kafkajs/src/protocol/error.js';
import type { Broker } from './cluster.ts';
import { keyOf, type Place } from './record-batch.ts';
import type { Sequenced } from './transaction-headers.ts';

/** Kafka's DescribeProducers request, version 0, which kafkajs does not have: what partitions know of those who write there. */

const REQUEST = { apiKey: 61, apiVersion: 0, apiName: 'DescribeProducers' } as const;

/** A transaction that a producer has open in a partition. */
export interface OpenThere {
  /** Of its first record. */
  readonly start: bigint;
  /** The producer's newest record. */
  readonly last: Sequenced;
}

/** What a partition says of a producer's open transaction: undefined where none is open, `denied` where we may not ask. */
export type Described = OpenThere | undefined | 'denied';

/** Kafka's answer without the right READ on the topic. */
const TOPIC_AUTHORIZATION_FAILED = 29;

/**
 * Asks the broker that leads some partitions what a producer has open there.
 *
 * @returns by {@link keyOf}; `denied` also where the broker does not know the request, as before Kafka 3.0
 * @throws what kafkajs throws
 */
export async function describeOpen(
  broker: Broker,
  producerId: bigint,
  places: readonly Place[],
): Promise<ReadonlyMap<string, Described>> {
  if (!broker.versions?.[REQUEST.apiKey]) return new Map(places.map((place) => [keyOf(place), 'denied']));
  const answers = await broker.connectionPool.send({
    request: { ...REQUEST, encode: () => Promise.resolve(encode(places)) },
    response: { decode: (payload) => Promise.resolve(decode(payload)), parse: ({ answers: all }) => all },
  });
  return new Map(answers.map((answer) => [keyOf(answer), openOf(answer, producerId)]));
}

function openOf({ topic, partition, errorCode, producers }: Answer, producerId: bigint): Described {
  if (errorCode === TOPIC_AUTHORIZATION_FAILED) return 'denied';
  if (errorCode !== 0) throw Object.assign(createErrorFromCode(errorCode), { topic, partition });
  const ours = producers.find((producer) => producer.producerId === producerId);
  if (ours === undefined || ours.start < 0n) return undefined;
  return { start: ours.start, last: { epoch: ours.epoch, sequence: ours.sequence } };
}

interface Answer extends Place {
  readonly errorCode: number;
  readonly producers: readonly (Sequenced & { readonly producerId: bigint; readonly start: bigint })[];
}

/** A request in Kafka's flexible format, where a byte 0 says that no tagged fields follow, and a length is one more. */
function encode(places: readonly Place[]): Encoder {
  const request = new Encoder().writeInt8(0).writeUVarInt(places.length + 1);
  for (const { topic, partition } of places) {
    request
      .writeUVarIntString(topic)
      .writeUVarInt(1 + 1)
      .writeInt32(partition)
      .writeInt8(0);
  }
  return request.writeInt8(0);
}

function decode(payload: Buffer): { readonly answers: readonly Answer[]; readonly clientSideThrottleTime: number } {
  const decoder = new Decoder(payload);
  decoder.readTaggedFields();
  const clientSideThrottleTime = decoder.readInt32();
  const topics = decoder.readUVarIntArray(decodeTopic) ?? [];
  return { answers: topics.flat(), clientSideThrottleTime };
}

function decodeTopic(decoder: Decoder): Answer[] {
  const topic = decoder.readUVarIntString() ?? '';
  const partitions = decoder.readUVarIntArray(decodePartition) ?? [];
  decoder.readTaggedFields();
  return partitions.map((partition) => ({ topic, ...partition }));
}

function decodePartition(decoder: Decoder): Omit<Answer, 'topic'> {
  const partition = decoder.readInt32();
  const errorCode = decoder.readInt16();
  // What the broker says about it.
  decoder.readUVarIntString();
  const producers = decoder.readUVarIntArray(decodeProducer) ?? [];
  decoder.readTaggedFields();
  return { partition, errorCode, producers };
}

function decodeProducer(decoder: Decoder): Answer['producers'][number] {
  const producerId = BigInt(decoder.readInt64().toString());
  const epoch = decoder.readInt32();
  const sequence = decoder.readInt32();
  // When it wrote last, and the epoch of its coordinator.
  decoder.readInt64();
  decoder.readInt32();
  const start = BigInt(decoder.readInt64().toString());
  decoder.readTaggedFields();
  return { producerId, epoch, sequence, start };
}

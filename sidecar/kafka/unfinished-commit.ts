import { TransientError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import { type Broker, type Cluster, ISOLATION } from './cluster.ts';
import type { Client } from './connections.ts';
import type { TransactionCoordinator } from './coordinator.ts';
import { mayPass, NoLeaderError, protocolError } from './errors.ts';
import { type FetchedRecord, Fetcher } from './fetch.ts';
import { type Described, describeOpen, type OpenThere } from './producer-states.ts';
import { keyOf, type Place, type ProducerIdentity } from './record-batch.ts';
import { repeat } from './repeat.ts';
import {
  isUpTo,
  type LastRecord,
  type Sequenced,
  sequenced,
  type WrittenPlace,
  writtenPlaces,
} from './transaction-headers.ts';

export interface Finishing {
  readonly client: Client;
  readonly cluster: Cluster;
  readonly coordinator: TransactionCoordinator;
  /** Who has fenced all others: nothing of ours may be open from here on. */
  readonly by: ProducerIdentity;
  readonly log: Logger;
}

/**
 * Ends what Kafka has left open in the partitions that a committed position names (see hanging-transaction.ts): its commit went
 * to the position's partition and not to all others. There it would be aborted with the next transaction that is, and lost.
 *
 * Where nothing is open, which is nearly always, it takes a look at the metadata and one round trip to each broker. The offsets
 * tell whether anybody has something open, and only there it is asked whether that is ours. That needs the right to read the
 * topic, which the sidecar need not have on the topics of messages. There what is ours is committed without a look: the next
 * commit in this partition would do the same.
 *
 * @param position the newest that is committed
 * @param isDecided whether it is known of everything behind the position that it is not committed. Where it is not, only what
 *   was committed with the position is ended
 * @throws what kafkajs throws
 */
export async function finishCommit(parts: Finishing, position: FetchedRecord, isDecided: boolean): Promise<void> {
  const { client, cluster, coordinator, by, log } = parts;
  // What another producer id has left open, this one cannot end.
  if (position.batchContext.producerId !== String(by.producerId)) return;
  const places = writtenPlaces(position);
  const found = await repeat(client, async () => {
    try {
      return await findOpen(cluster, by, places);
    } catch (error) {
      if (mayPass(error)) await cluster.refreshMetadata();
      throw error;
    }
  });
  if (found.length === 0) return;
  const judged = await judge(client, found);
  const endings = judged.filter(({ ending }) => isDecided || ending === 'commit' || ending === 'both');
  for (const how of ['abort', 'commit'] as const) {
    const theirs = endings.filter(({ ending }) => (ending === 'abort') === (how === 'abort'));
    if (theirs.length === 0) continue;
    await coordinator.addPartitions(
      by,
      theirs.map(({ place }) => place),
    );
    await coordinator.end(by, how);
  }
  for (const { place, ending } of endings) {
    if (ending !== 'blind') log.warn({ topic: place.topic, partition: place.partition }, SAID[ending]);
  }
}

/** How what is open in a partition is ended; `both` and `blind` with a commit. */
type Ending = 'commit' | 'abort' | 'both' | 'blind';

const SAID: Readonly<Record<Exclude<Ending, 'blind'>, string>> = {
  commit:
    'Kafka had left a transaction of this sidecar open here that it has committed elsewhere; it was committed here too',
  abort:
    'Kafka had left a transaction of this sidecar open here that is not committed; it was aborted, and its messages are replayed again',
  both:
    'Kafka had left a transaction of this sidecar open here that it has committed elsewhere, and behind it one that is not ' +
    'committed. A partition ends both alike, so both were committed: messages of the second one are here twice',
};

/**
 * Decides how to end what a producer has open in a partition.
 *
 * @param open the producer's newest record there, in the open transaction
 * @param first the first record of it
 * @param committed the last record that is known to be committed
 */
export function endingOf(open: Sequenced, first: Sequenced | undefined, committed: LastRecord): Ending {
  if (isUpTo(open, committed)) return 'commit';
  return first === undefined || isUpTo(first, committed) ? 'both' : 'abort';
}

interface Found {
  readonly place: WrittenPlace;
  readonly open: OpenThere | 'denied';
}

async function judge(client: Client, found: readonly Found[]): Promise<{ place: Place; ending: Ending }[]> {
  const fetcher = new Fetcher(client.kafka, 'uncommitted');
  try {
    await fetcher.connect();
    return await Promise.all(
      found.map(async ({ place, open }) => {
        if (open === 'denied' || place.last === undefined) return { place, ending: 'blind' as const };
        const { records } = await fetcher.fetch(place.topic, place.partition, open.start, 0, 1);
        const first = records.find(({ offset }) => offset === String(open.start));
        return { place, ending: endingOf(open.last, first && sequenced(first), place.last) };
      }),
    );
  } finally {
    await fetcher.disconnect();
  }
}

async function findOpen(cluster: Cluster, by: ProducerIdentity, places: readonly WrittenPlace[]): Promise<Found[]> {
  const topics = new Set(await knownTopics(cluster, [...new Set(places.map(({ topic }) => topic))]));
  const shares = new Map<string, WrittenPlace[]>();
  for (const place of places.filter((each) => topics.has(each.topic) && exists(cluster, each))) {
    const [nodeId] = Object.keys(cluster.findLeaderForPartitions(place.topic, [place.partition]));
    if (nodeId === undefined) throw new NoLeaderError(`Kafka knows no leader of ${keyOf(place)}`);
    shares.set(nodeId, [...(shares.get(nodeId) ?? []), place]);
  }
  const found = await Promise.all(
    [...shares].map(async ([nodeId, theirs]) => findOpenAt(await cluster.findBroker({ nodeId }), by, theirs)),
  );
  return found.flat();
}

async function findOpenAt(leader: Broker, by: ProducerIdentity, places: readonly WrittenPlace[]): Promise<Found[]> {
  const [ends, stable] = await Promise.all([
    lastOffsets(leader, places, 'uncommitted'),
    lastOffsets(leader, places, 'committed'),
  ]);
  const unstable = places.filter((place) => answered(stable, place) < answered(ends, place));
  if (unstable.length === 0) return [];
  const described = await describeOpen(leader, by.producerId, unstable);
  return unstable.flatMap((place) => {
    const open: Described = answered(described, place);
    return open === undefined ? [] : [{ place, open }];
  });
}

/** @param isolation `uncommitted` for the high watermark, `committed` for the last stable offset @returns by {@link keyOf} */
async function lastOffsets(
  leader: Broker,
  places: readonly Place[],
  isolation: keyof typeof ISOLATION,
): Promise<ReadonlyMap<string, bigint>> {
  const topics = places.map(({ topic, partition }) => ({ topic, partitions: [{ partition, timestamp: -1 }] }));
  const { responses } = await leader.listOffsets({ isolationLevel: ISOLATION[isolation], topics });
  return new Map(
    responses.flatMap(({ topic, partitions }) =>
      partitions.map(({ partition, offset }) => [keyOf({ topic, partition }), BigInt(offset)] as const),
    ),
  );
}

/** Not known is not none. */
function answered<Value>(answers: ReadonlyMap<string, Value>, place: Place): Value {
  const key = keyOf(place);
  if (answers.has(key)) return answers.get(key) as Value;
  throw new TransientError('KafkaUnavailable', `Kafka does not say whether a transaction is open in ${key}`);
}

/** A topic that was deleted since, or that we have no rights on any more: nothing can be ended there. */
const GONE: ReadonlySet<string> = new Set([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'INVALID_TOPIC_EXCEPTION',
  'TOPIC_AUTHORIZATION_FAILED',
]);

async function knownTopics(cluster: Cluster, topics: readonly string[]): Promise<readonly string[]> {
  try {
    await cluster.addMultipleTargetTopics(topics);
    return topics;
  } catch (error) {
    if (!GONE.has(protocolError(error)?.type ?? '')) throw error;
    if (topics.length === 1) return [];
  }
  // Kafka's answer for one of them hides the others.
  const known: string[] = [];
  for (const topic of topics) known.push(...(await knownTopics(cluster, [topic])));
  return known;
}

function exists(cluster: Cluster, { topic, partition }: Place): boolean {
  return cluster.findTopicPartitionMetadata(topic).some(({ partitionId }) => partitionId === partition);
}

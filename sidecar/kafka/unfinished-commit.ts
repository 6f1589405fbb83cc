import { TransientError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import { type Broker, type Cluster, ISOLATION } from './cluster.ts';
import type { Client } from './connections.ts';
import type { TransactionCoordinator } from './coordinator.ts';
import { isLeaderless, mayPass, NoLeaderError, protocolError, waitsForLeader } from './errors.ts';
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
 * @param isDecided whether it is known of everything behind the position that it is not committed. Where it is not, nothing is
 *   aborted. What may not be looked at is committed all the same: else it would be aborted with what is behind the position
 * @throws what kafkajs throws
 */
export async function finishCommit(parts: Finishing, position: FetchedRecord, isDecided: boolean): Promise<void> {
  const { client, coordinator, by, log } = parts;
  // What another producer id has left open, this one cannot end.
  if (position.batchContext.producerId !== String(by.producerId)) return;
  const places = writtenPlaces(position);
  const found = await waitForOpen(parts, places);
  if (found.length === 0) return;
  const judged = await judge(client, found);
  const endings = judged.filter(({ ending }) => isDecided || ending !== 'abort');
  for (const how of ['abort', 'commit'] as const) {
    const theirs = endings.filter(({ ending }) => (ending === 'abort') === (how === 'abort'));
    const ended = theirs.map(({ place }) => place);
    const added = new Set(await coordinator.addAllowed(by, ended, log));
    if (added.size === 0) continue;
    await coordinator.end(by, how);
    for (const { place, ending } of theirs) {
      if (added.has(place) && ending !== 'blind') {
        log.warn({ topic: place.topic, partition: place.partition }, SAID[ending]);
      }
    }
  }
}

async function waitForOpen({ client, cluster, by }: Finishing, places: readonly WrittenPlace[]): Promise<Found[]> {
  try {
    return await repeat(client, async () => {
      try {
        return await findOpen(cluster, by, places);
      } catch (error) {
        if (mayPass(error)) await cluster.refreshMetadata();
        throw error;
      }
    });
  } catch (error) {
    const topics = isLeaderless(error) ? await findLeaderless(cluster, places) : [];
    throw topics.length > 0 ? waitsForLeader(topics, error) : error;
  }
}

/** kafkajs does not say which of the topics that it has asked for. */
async function findLeaderless(cluster: Cluster, places: readonly Place[]): Promise<readonly string[]> {
  const asked = [...new Set(places.map(({ topic }) => topic))].map(async (topic) => {
    try {
      await cluster.metadata({ topics: [topic] });
      return [];
    } catch (error) {
      return isLeaderless(error) ? [topic] : [];
    }
  });
  return (await Promise.all(asked)).flat();
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
 * @param first the first record of it, which is looked for only where `open` does not decide; undefined where it is gone
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
        const first = isUpTo(open.last, place.last) ? undefined : await findFirst(fetcher, place, open.start);
        return { place, ending: endingOf(open.last, first && sequenced(first), place.last) };
      }),
    );
  } finally {
    await fetcher.disconnect();
  }
}

/** @returns undefined where the record is gone, because of its age or by a person */
async function findFirst(
  fetcher: Fetcher,
  { topic, partition }: Place,
  start: bigint,
): Promise<FetchedRecord | undefined> {
  try {
    const { records } = await fetcher.fetch(topic, partition, start, 0, 1);
    return records.find(({ offset }) => offset === String(start));
  } catch (error) {
    if (protocolError(error)?.type !== 'OFFSET_OUT_OF_RANGE') throw error;
    // A broker that has just become the leader may not have it yet.
    if ((await fetcher.firstOffset(topic, partition)) <= start) throw error;
    return undefined;
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

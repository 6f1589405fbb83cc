import {
  ANNOUNCE_STATE_TOPIC,
  ANNOUNCEMENTS,
  announceGroup,
  EXCEPTION_TOPIC,
  type FhirServerId,
  RETRANSMIT_TOPIC,
  SYNC_TOPIC,
  transmitGroup,
  transmitStateTopic,
} from '../../common/contract/names.ts';
import { TransientError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { AnnounceLog, SyncRecord, TransmitLog } from '../ports.ts';
import type { OutgoingRecord, RecordLocation } from '../replay/outgoing-record.ts';
import type { NewPending } from '../transmit/round.ts';
import { decodeState, encodeState, type Pending, type TransmitState } from '../transmit/state.ts';
import type { Client } from './connections.ts';
import { protocolError, translate } from './errors.ts';
import { type Claim, fenceAndRead, type KafkaTakeOver, positionLost } from './fence.ts';
import { Fetcher } from './fetch.ts';
import { SyncReader } from './sync-reader.ts';
import { closed, withTimeout } from './timeout.ts';
import type { Topics } from './topics.ts';
import type { TransactionalWriter } from './writer.ts';

/** Longer than a fetch waits for records. */
const STEP_DEADLINE_MS = 30_000;
/** RETRANSMIT is read for one record at a time; what comes along is used where it waits as well. */
const PENDING_BYTES = 256 * 1024;

/** Fences every earlier sidecar that transmitted to a server, reads what it left, and goes on from there. */
export function takeOverTransmission(options: KafkaTakeOver, server: FhirServerId): Promise<TransmitLog> {
  return takeOver(options, {
    owner: server,
    transactionalId: transmitGroup(options.node, server),
    topic: transmitStateTopic(server),
    uses: [RETRANSMIT_TOPIC, EXCEPTION_TOPIC],
  });
}

/** Fences every earlier sidecar that announced, and goes on where it was. @param since as {@link SyncReader.begin} has it */
export function takeOverAnnouncements(options: KafkaTakeOver, since: number): Promise<AnnounceLog> {
  const transactionalId = announceGroup(options.node);
  return takeOver(options, { owner: ANNOUNCEMENTS, transactionalId, topic: ANNOUNCE_STATE_TOPIC, uses: [], since });
}

interface LogClaim extends Claim {
  /** The topics that it reads and writes besides LFH_SYNC. */
  readonly uses: readonly string[];
  /** Where it begins when it was never taken over. */
  readonly since?: number;
}

async function takeOver(options: KafkaTakeOver, claim: LogClaim): Promise<KafkaTransmitLog> {
  const { topics } = options;
  const { topic, owner, transactionalId: group } = claim;
  // Its own topic first, which shows what the brokers take by default.
  await topics.ensure([topic, SYNC_TOPIC, ...claim.uses]);
  const { writer, newest } = await fenceAndRead(options, claim);
  const client = options.open();
  try {
    const stored = newest?.value ? decodeState(newest.value.toString('utf8')) : undefined;
    if (newest?.value && stored === undefined) throw positionLost(topic, newest);
    const log = new KafkaTransmitLog({ client, writer, topics, topic, group, log: options.log }, stored?.pending ?? []);
    await log.begin(stored, claim.since);
    // Written before anything is read, so that nothing of what is replayed from now on is left out.
    if (stored === undefined) await log.commit(0);
    return log;
  } catch (error) {
    await writer.close();
    client.end();
    throw translate(error, `take over ${owner} in Kafka`);
  }
}

interface LogParts {
  readonly client: Client;
  readonly writer: TransactionalWriter;
  readonly topics: Topics;
  /** The position topic. */
  readonly topic: string;
  readonly group: string;
  readonly log: Logger;
}

const WENT_BACK =
  'LFH_SYNC ends before the offset that came next: Kafka has lost records there, or the topic was made again. It is read on ' +
  'from what was written a minute before the last record that was taken, so that of what is left a minute can come twice';

/** Nothing ever waits where it is the log of the announcements. */
class KafkaTransmitLog implements TransmitLog, AnnounceLog {
  readonly #parts: LogParts;
  readonly #fetcher: Fetcher;
  readonly #reader: SyncReader;
  #pending: readonly Pending[];
  /** As it was committed last. */
  #committed: string | undefined;

  constructor(parts: LogParts, pending: readonly Pending[]) {
    this.#parts = parts;
    this.#fetcher = new Fetcher(parts.client.kafka);
    this.#reader = new SyncReader(this.#fetcher, (wentBack) =>
      parts.log.warn({ ...wentBack, group: parts.group }, WENT_BACK),
    );
    this.#pending = pending;
  }

  get pending(): readonly Pending[] {
    return this.#pending;
  }

  get lag(): number {
    return this.#reader.lag;
  }

  get hasNext(): boolean {
    return this.#reader.hasNext;
  }

  get heldUp(): string | undefined {
    return this.#reader.heldUp;
  }

  get expired(): number {
    return this.#reader.expired;
  }

  async begin(stored: TransmitState | undefined, since?: number): Promise<void> {
    const { partitions } = this.#parts.topics.known(SYNC_TOPIC);
    await this.#within('read LFH_SYNC', async () => {
      await this.#fetcher.connect();
      await this.#reader.begin(partitions, stored, since);
    });
    this.#committed = encodeState({ offsets: this.#reader.offsets, times: this.#reader.times, pending: this.#pending });
  }

  async next(waitMs: number): Promise<readonly SyncRecord[]> {
    const { topics } = this.#parts;
    await topics.ensure([SYNC_TOPIC]);
    return this.#within('read LFH_SYNC', async () => {
      await this.#reader.grow(topics.known(SYNC_TOPIC).partitions);
      return this.#reader.next(waitMs);
    });
  }

  async measure(): Promise<void> {
    await this.#within('read LFH_SYNC', () => this.#reader.measure());
  }

  readPending(pending: readonly Pending[]): Promise<ReadonlyMap<Pending, Buffer>> {
    return this.#within('read RETRANSMIT', () => this.#readPending(pending));
  }

  async limits(): Promise<{ retransmit: number; exception: number }> {
    const { topics } = this.#parts;
    await topics.ensure([RETRANSMIT_TOPIC, EXCEPTION_TOPIC]);
    return {
      retransmit: topics.known(RETRANSMIT_TOPIC).maxMessageBytes,
      exception: topics.known(EXCEPTION_TOPIC).maxMessageBytes,
    };
  }

  async commit(
    taken: number,
    records: readonly OutgoingRecord[] = [],
    pending: readonly (Pending | NewPending)[] = [],
  ): Promise<void> {
    const { writer } = this.#parts;
    this.#reader.drop(taken);
    const { offsets, times } = this.#reader;
    let kept: readonly Pending[] = [];
    let state = '';
    const isKnown = pending.every((each) => 'offset' in each);
    const stateWith = (locations: readonly RecordLocation[]): string => {
      kept = pending.map((each) => ('offset' in each ? each : placed(each, locations)));
      state = encodeState({ offsets, times, pending: kept });
      return state;
    };
    // Where a new one waits, its place is known only when it was sent. Until then the state before stands for the transaction.
    const first = isKnown ? stateWith([]) : (this.#committed ?? stateWith([]));
    const batch = writer.begin();
    batch.add(records);
    await writer.send(batch, first);
    if (!isKnown) await writer.sendPosition(stateWith(batch.locations()));
    // So that Kafka's own tools show how far the group is. The state decides where the transmission goes on.
    await writer.sendOffsets(this.#parts.group, SYNC_TOPIC, offsets);
    await writer.commit();
    this.#pending = kept;
    this.#committed = state;
  }

  async close(): Promise<void> {
    const { client, writer } = this.#parts;
    await writer.close();
    await closed(client.guard(this.#fetcher.disconnect()));
    client.end();
  }

  async #readPending(pending: readonly Pending[]): Promise<ReadonlyMap<Pending, Buffer>> {
    const found = new Map<Pending, Buffer>();
    for (const wanted of pending) {
      if (found.has(wanted)) continue;
      const { partition, offset } = wanted;
      for (const record of await this.#fetchPending(partition, BigInt(offset))) {
        const same = pending.find((each) => each.partition === partition && each.offset === record.offset);
        if (same && record.value) found.set(same, record.value);
      }
    }
    return found;
  }

  /** @throws TransientError where what is committed there cannot be read at present, which is not to say that it is gone */
  async #fetchPending(partition: number, offset: bigint): Promise<readonly { offset: string; value: Buffer | null }[]> {
    try {
      const { records, lastStable } = await this.#fetcher.fetch(RETRANSMIT_TOPIC, partition, offset, 0, PENDING_BYTES);
      if (lastStable > offset) return records;
      throw new TransientError(
        'KafkaUnavailable',
        `what waits in partition ${partition} of ${RETRANSMIT_TOPIC} cannot be read: an older transaction, of another writer, is open ` +
          'there, or its leader does not know yet what is committed',
      );
    } catch (error) {
      // The topic has expired it, or was made again.
      if (protocolError(error)?.type === 'OFFSET_OUT_OF_RANGE') return [];
      throw error;
    }
  }

  async #within<Value>(doing: string, work: () => Promise<Value>): Promise<Value> {
    const timedOut = (): Error =>
      new TransientError('KafkaUnavailable', `Kafka has not answered for ${STEP_DEADLINE_MS / 1000} s`);
    try {
      return await withTimeout(STEP_DEADLINE_MS, this.#parts.client.guard(work()), timedOut);
    } catch (error) {
      throw translate(error, doing);
    }
  }
}

function placed({ record, ...pending }: NewPending, locations: readonly RecordLocation[]): Pending {
  const location = locations[record];
  if (location === undefined) throw new Error('a resource waits that was not sent');
  return { partition: location.partition, offset: location.offset, ...pending };
}

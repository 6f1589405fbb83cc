import { SYNC_TOPIC } from '../../common/contract/names.ts';
import type { SyncRecord } from '../ports.ts';
import type { TransmitState } from '../transmit/state.ts';
import { protocolError } from './errors.ts';
import { CLOCKS_MS, type Fetched, type Fetcher } from './fetch.ts';
import { heldUp, type OpenTransaction, openAt } from './held-up.ts';

/** What is fetched of a partition at once: enough for a round, and little for fifty servers at a time. */
const FETCH_BYTES = 512 * 1024;

/** Longer than it takes from the first replay of a node to the first sidecar that stays. */
const YOUNG_MS = 10 * 60_000;

const NOTHING: ReadonlyMap<number, bigint> = new Map();

interface PartitionReader {
  /** Where the next fetch begins. */
  next: bigint;
  /** The offset after the newest record, committed or not, as far as it is known. */
  end: bigint;
  /** When the last record that was dropped was written, in milliseconds since 1970. */
  time: number | undefined;
  open: OpenTransaction | undefined;
  /**
   * Of a partition that was added: where the older ones ended then. A resource's earlier versions can be in those, so they are
   * read up to there first. Empty once that is done.
   */
  behind: ReadonlyMap<number, bigint>;
  buffered: SyncRecord[];
}

/** A partition ends before the offset that came next. */
export interface WentBack {
  readonly partition: number;
  /** What came next. */
  readonly offset: string;
  /** What comes next in its place. */
  readonly readFrom: string;
}

/** Where to begin, as {@link SyncReader.offsets} and {@link SyncReader.times} had it. */
type Begin = Pick<TransmitState, 'offsets' | 'times'>;

/** Reads the committed records of LFH_SYNC, of all its partitions, from given offsets on. */
export class SyncReader {
  readonly #fetcher: Fetcher;
  readonly #onWentBack: (wentBack: WentBack) => void;
  readonly #partitions = new Map<number, PartitionReader>();
  #first = 0;
  #expired = 0;

  constructor(fetcher: Fetcher, onWentBack: (wentBack: WentBack) => void) {
    this.#fetcher = fetcher;
    this.#onWentBack = onWentBack;
  }

  get expired(): number {
    return this.#expired;
  }

  get lag(): number {
    let lag = 0n;
    for (const reader of this.#partitions.values()) {
      const ahead = reader.end - positionOf(reader);
      if (ahead > 0n) lag += ahead;
    }
    return Number(lag);
  }

  /** Whether {@link next} has records that were fetched and not dropped. */
  get hasNext(): boolean {
    return [...this.#partitions.values()].some(({ buffered }) => buffered.length > 0);
  }

  /** Which open transactions have kept records from being read for long, for a person; undefined where there are none. */
  get heldUp(): string | undefined {
    const waiting = [...this.#partitions].flatMap(([partition, { next, open, buffered }]) =>
      open && buffered.length === 0 && next >= open.at ? [{ partition, open }] : [],
    );
    return heldUp(waiting, performance.now());
  }

  /**
   * For each partition, the offset of the next record that was not dropped. A partition that is not read yet is left out, so that
   * who goes on from here reads the older ones first as well.
   */
  get offsets(): Record<string, string> {
    return Object.fromEntries(this.#begun().map(([partition, reader]) => [partition, String(positionOf(reader))]));
  }

  /** For each partition of {@link offsets} from which something was dropped, when the last of it was written. */
  get times(): Record<string, number> {
    return Object.fromEntries(
      [...this.#partitions].flatMap(([partition, { time }]) => (time === undefined ? [] : [[partition, time]])),
    );
  }

  /**
   * Begins where a state says. A partition that it does not know was added since, and is read from its beginning, after the others.
   *
   * @param state undefined: at the end of what is committed now
   * @param since in place of that end, with what was written at this time or later, in milliseconds since 1970
   */
  async begin(partitions: number, state: Begin | undefined, since?: number): Promise<void> {
    for (let partition = 0; partition < partitions; partition += 1) {
      const end = await this.#fetcher.lastOffset(SYNC_TOPIC, partition);
      const reader = state ? this.#goOn(partition, end, state) : await this.#beginAnew(partition, end, since);
      this.#partitions.set(partition, reader);
    }
  }

  #goOn(partition: number, end: bigint, { offsets, times }: Begin): PartitionReader {
    const known = offsets[partition];
    const behind = known === undefined ? this.#ends() : NOTHING;
    return { next: BigInt(known ?? '0'), end, time: times?.[partition], open: undefined, behind, buffered: [] };
  }

  async #beginAnew(partition: number, end: bigint, since: number | undefined): Promise<PartitionReader> {
    // What is in an open transaction at this moment is being replayed now, and belongs to what comes.
    const { lastStable } = await this.#fetcher.fetch(SYNC_TOPIC, partition, end);
    const next = since === undefined ? lastStable : await this.#firstSince(partition, since, lastStable);
    return { next, end, time: undefined, open: undefined, behind: NOTHING, buffered: [] };
  }

  /**
   * Where nobody had begun before. A partition in which all is young belongs to a node that was just installed, perhaps with a
   * sidecar that was killed before it could write where it began: all of that comes next.
   */
  async #firstSince(partition: number, since: number, stable: bigint): Promise<bigint> {
    const first = await this.#fetcher.firstOffset(SYNC_TOPIC, partition);
    const isYoung = (await this.#fetcher.offsetSince(SYNC_TOPIC, partition, since - YOUNG_MS)) === first;
    const offset = isYoung ? first : await this.#fetcher.offsetSince(SYNC_TOPIC, partition, since);
    return offset !== undefined && offset < stable ? offset : stable;
  }

  /** Takes up partitions that were added. */
  async grow(partitions: number): Promise<void> {
    if (partitions <= this.#partitions.size) return;
    await this.measure();
    for (let partition = this.#partitions.size; partition < partitions; partition += 1) {
      const end = await this.#fetcher.lastOffset(SYNC_TOPIC, partition);
      this.#partitions.set(partition, this.#goOn(partition, end, { offsets: {} }));
    }
  }

  /** What comes next, and is not dropped yet. Waits up to `waitMs` where there is nothing. */
  async next(waitMs: number): Promise<SyncRecord[]> {
    const buffered = this.#inTurn();
    if (buffered.length > 0) return buffered;
    const begun = this.#begun();
    for (const [partition, reader] of begun) await this.#fill(partition, reader, Math.floor(waitMs / begun.length));
    return this.#inTurn();
  }

  /** Drops the first records of {@link next}, so that others come next. */
  drop(count: number): void {
    for (const { place, since } of this.#inTurn().slice(0, count)) {
      const reader = this.#partitions.get(place.partition) as PartitionReader;
      reader.buffered.shift();
      reader.time = since;
    }
    this.#first += 1;
  }

  async measure(): Promise<void> {
    for (const [partition, reader] of this.#partitions) {
      reader.end = await this.#fetcher.lastOffset(SYNC_TOPIC, partition);
    }
  }

  #ends(): ReadonlyMap<number, bigint> {
    return new Map([...this.#partitions].map(([partition, { end }]) => [partition, end]));
  }

  /** The partitions that are read by now. */
  #begun(): [number, PartitionReader][] {
    for (const reader of this.#partitions.values()) {
      const isPassed = ([partition, end]: [number, bigint]): boolean => {
        const older = this.#partitions.get(partition);
        // A topic that was made again can be shorter than it was.
        return older === undefined || positionOf(older) >= end || positionOf(older) >= older.end;
      };
      if ([...reader.behind].every(isPassed)) reader.behind = NOTHING;
    }
    return [...this.#partitions].filter(([, { behind }]) => behind.size === 0);
  }

  /** The buffered records, of another partition first each time, so that none waits for another's backlog. */
  #inTurn(): SyncRecord[] {
    const readers = [...this.#partitions.values()];
    const first = readers.length === 0 ? 0 : this.#first % readers.length;
    return [...readers.slice(first), ...readers.slice(0, first)].flatMap(({ buffered }) => buffered);
  }

  async #fill(partition: number, reader: PartitionReader, waitMs: number): Promise<void> {
    const fetched = await this.#fetch(partition, reader, waitMs);
    if (fetched === undefined) return;
    reader.next = fetched.next;
    reader.end = fetched.highWatermark;
    reader.open = openAt(fetched, reader.open, performance.now());
    reader.buffered = fetched.records.map(({ offset, timestamp, value }) => ({
      place: { topic: SYNC_TOPIC, partition, offset },
      value: value ?? Buffer.alloc(0),
      since: Number(timestamp),
    }));
  }

  /** @returns undefined where the offset is not there any more, and the next fetch begins elsewhere */
  async #fetch(partition: number, reader: PartitionReader, waitMs: number): Promise<Fetched | undefined> {
    try {
      return await this.#fetcher.fetch(SYNC_TOPIC, partition, reader.next, waitMs, FETCH_BYTES);
    } catch (error) {
      if (protocolError(error)?.type !== 'OFFSET_OUT_OF_RANGE') throw error;
      const first = await this.#fetcher.firstOffset(SYNC_TOPIC, partition);
      if (first > reader.next) {
        // What comes next is older than the topic keeps.
        this.#expired += Number(first - reader.next);
        reader.next = first;
      } else {
        await this.#goBack(partition, reader, first);
      }
      return undefined;
    }
  }

  /** Kafka has lost the end of a partition, or the topic was made again and is shorter: goes on with what was written since. */
  async #goBack(partition: number, reader: PartitionReader, first: bigint): Promise<void> {
    const { next, time } = reader;
    const since = time === undefined ? first : await this.#fetcher.offsetSince(SYNC_TOPIC, partition, time - CLOCKS_MS);
    reader.next = since ?? (await this.#fetcher.lastOffset(SYNC_TOPIC, partition));
    this.#onWentBack({ partition, offset: String(next), readFrom: String(reader.next) });
  }
}

function positionOf({ next, buffered }: PartitionReader): bigint {
  const [first] = buffered;
  return first === undefined ? next : BigInt(first.place.offset);
}

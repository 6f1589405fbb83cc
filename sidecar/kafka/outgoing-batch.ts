import type { EncodedBatch } from '../ports.ts';
import type { OutgoingRecord, RecordLocation } from '../replay/outgoing-record.ts';
import type { BufferPool } from './buffer-pool.ts';
import { type BatchRecord, type Place, RecordBatch } from './record-batch.ts';

/** How a topic is written to. */
export interface Target {
  readonly partition: number;
  /** The largest record batch that it takes. */
  readonly maxMessageBytes: number;
}

export interface OutgoingParts {
  readonly targetOf: (topic: string) => Target;
  /** Seals a record batch with the next sequence numbers of its partition. */
  readonly seal: (batch: RecordBatch) => void;
  readonly pool: BufferPool;
}

/**
 * The records of one transaction, as record batches. Each is sealed as soon as it is full, so that next to nothing is left to do
 * when the transaction begins.
 */
export class OutgoingBatch implements EncodedBatch {
  readonly #parts: OutgoingParts;
  /** By topic: all of a transaction is written by the same knowledge of its topics. */
  readonly #targets = new Map<string, Target>();
  readonly #open = new Map<string, RecordBatch>();
  readonly #sealed: RecordBatch[] = [];
  /** Which batch each record is in. */
  readonly #batches: RecordBatch[] = [];

  constructor(parts: OutgoingParts) {
    this.#parts = parts;
  }

  add(records: readonly OutgoingRecord[]): void {
    for (const { topic, value, headers } of records) {
      const target = this.#targets.get(topic) ?? this.#parts.targetOf(topic);
      this.#targets.set(topic, target);
      this.#batches.push(this.#append({ topic, partition: target.partition }, target, { key: null, value, headers }));
    }
  }

  locations(): RecordLocation[] {
    const written = new Map<RecordBatch, number>();
    return this.#batches.map((batch) => {
      const before = written.get(batch) ?? 0;
      written.set(batch, before + 1);
      const { topic, partition, baseOffset } = batch;
      if (baseOffset === undefined) throw new Error('a record was not written yet whose place is asked for');
      return { topic, partition, offset: String(baseOffset + BigInt(before)) };
    });
  }

  /**
   * Seals everything.
   *
   * @param position its topic
   * @param last makes the position, from everything else that is sent
   * @returns the position's batch and then all others, in the order in which they are to be sent
   */
  finish(position: Place & Target, last: (others: readonly RecordBatch[]) => BatchRecord): readonly RecordBatch[] {
    this.#sealAll();
    this.#append(position, position, last([...this.#sealed]));
    const first = this.#open.get(position.topic);
    this.#sealAll();
    // Whatever Kafka has of a transaction, it has the position that names the rest.
    return this.#sealed.sort((one, other) => Number(other === first) - Number(one === first));
  }

  #append(place: Place, { maxMessageBytes }: Target, record: BatchRecord): RecordBatch {
    const { topic } = place;
    const open = this.#open.get(topic);
    if (open?.add(record)) return open;
    if (open) this.#seal(open);
    const batch = new RecordBatch(place, maxMessageBytes, this.#parts.pool, Date.now());
    this.#open.set(topic, batch);
    batch.add(record);
    return batch;
  }

  #sealAll(): void {
    for (const batch of this.#open.values()) this.#seal(batch);
    this.#open.clear();
  }

  #seal(batch: RecordBatch): void {
    this.#parts.seal(batch);
    this.#sealed.push(batch);
  }
}

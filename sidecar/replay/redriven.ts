import { asObject, isCount } from './stored-json.ts';

/**
 * Which records of LFH_EXCEPTION were replayed, whatever redrive has done it: a set of offsets, with a bit for each, in chunks
 * (docs/adr/0030). A chunk is a record of the redrive's position topic, which keeps the newest of each key. So a transaction
 * writes one or two kilobytes, and all of it has a bit for each record that LFH_EXCEPTION keeps.
 */

/** A record of a position topic besides the position. Without a value, compaction removes it. */
export interface Mark {
  readonly key: string;
  readonly value: string | null;
}

/** Where a record of LFH_EXCEPTION is, and when it was written, in milliseconds since 1970. */
export interface Place {
  readonly partition: number;
  readonly offset: number;
  readonly time: number;
}

/** The part of a partition that still exists: from this offset on. */
export interface Kept {
  readonly partition: number;
  readonly first: number;
}

export const REDRIVEN_PREFIX = 'redriven/';
/** A kilobyte of bits. */
const CHUNK_OFFSETS = 8_192;

interface Chunk {
  /**
   * The first record with a bit. One with another time is at its place where LFH_EXCEPTION was deleted and made again, but it may
   * be another peer's, which is never looked at.
   */
  first: { readonly offset: number; readonly time: number };
  /**
   * The newest time of all that have a bit, in milliseconds since 1970. Undefined where an earlier version has written the chunk:
   * then nothing is known of the times of all others but the first.
   */
  newest: number | undefined;
  readonly bits: Uint8Array;
}

export class Redriven {
  /** What was read from Kafka. It is kept apart, since it may turn out to be about another topic after some was added. */
  readonly #stored: Map<string, Chunk>;
  readonly #added = new Map<string, Chunk>();

  private constructor(stored: Map<string, Chunk>) {
    this.#stored = stored;
  }

  /**
   * @param stored the newest record of each key
   * @returns undefined where one of them is not ours: guessing would replay messages twice
   */
  static read(stored: ReadonlyMap<string, string>): Redriven | undefined {
    const chunks = new Map<string, Chunk>();
    for (const [key, value] of stored) {
      if (!key.startsWith(REDRIVEN_PREFIX)) continue;
      const chunk = decodeChunk(value);
      if (!KEY.test(key) || chunk === undefined) return undefined;
      chunks.set(key, chunk);
    }
    return new Redriven(chunks);
  }

  /**
   * Ask it of each record of the peer, in order: it finds out where LFH_EXCEPTION was made again, and nothing that was marked
   * before that counts any more.
   */
  has(place: Place): boolean {
    const key = keyOf(place);
    return [this.#stored, this.#added].some((chunks) => {
      const chunk = chunks.get(key);
      if (chunk === undefined || !isMarked(chunk, place)) return false;
      if (!isAnotherTopic(chunk, place)) return true;
      chunks.delete(key);
      return false;
    });
  }

  /** Adds records. @returns what has to be written with them, in the same transaction */
  add(places: readonly Place[]): Mark[] {
    const changed = new Set<string>();
    for (const place of places) {
      const key = keyOf(place);
      this.#added.set(key, withPlace(this.#added.get(key), place));
      changed.add(key);
    }
    return [...changed].map((key) => ({ key, value: encodeChunk(this.#whole(key)) }));
  }

  /** Forgets what LFH_EXCEPTION does not have any more. @returns what has to be written for that */
  forget(kept: readonly Kept[]): Mark[] {
    const gone = [...new Set([...this.#stored.keys(), ...this.#added.keys()])].filter((key) => {
      const [partition, chunk] = key.slice(REDRIVEN_PREFIX.length).split('/').map(Number) as [number, number];
      const first = kept.find((each) => each.partition === partition)?.first ?? Number.POSITIVE_INFINITY;
      return (chunk + 1) * CHUNK_OFFSETS <= first;
    });
    for (const chunks of [this.#stored, this.#added]) for (const key of gone) chunks.delete(key);
    return gone.map((key) => ({ key, value: null }));
  }

  #whole(key: string): Chunk {
    const [one, other] = [this.#stored.get(key), this.#added.get(key)];
    const some = one ?? other;
    if (some === undefined) throw new Error(`no record of ${key} was added`);
    return one && other ? union(one, other) : some;
  }
}

function isMarked({ bits }: Chunk, place: Place): boolean {
  const { byte, bit } = bitOf(place);
  return ((bits[byte] ?? 0) & bit) !== 0;
}

/** @param chunk is changed; undefined: the place is its first one */
function withPlace(chunk: Chunk | undefined, place: Place): Chunk {
  const first = { offset: place.offset, time: place.time };
  const { byte, bit } = bitOf(place);
  const changed = chunk ?? { first, newest: place.time, bits: new Uint8Array(CHUNK_OFFSETS / 8) };
  if (place.offset < changed.first.offset) changed.first = first;
  if (changed.newest !== undefined) changed.newest = Math.max(changed.newest, place.time);
  changed.bits[byte] = (changed.bits[byte] ?? 0) | bit;
  return changed;
}

function union(one: Chunk, other: Chunk): Chunk {
  const newest =
    one.newest === undefined || other.newest === undefined ? undefined : Math.max(one.newest, other.newest);
  return {
    first: one.first.offset <= other.first.offset ? one.first : other.first,
    newest,
    bits: one.bits.map((byte, at) => byte | (other.bits[at] ?? 0)),
  };
}

const KEY = /^redriven\/\d{1,9}\/\d{1,12}$/;

function keyOf({ partition, offset }: Place): string {
  return `${REDRIVEN_PREFIX}${partition}/${Math.floor(offset / CHUNK_OFFSETS)}`;
}

function bitOf({ offset }: Place): { readonly byte: number; readonly bit: number } {
  const at = offset % CHUNK_OFFSETS;
  return { byte: Math.floor(at / 8), bit: 1 << (at % 8) };
}

/** Whether the record at a marked place is not the one that was marked. */
function isAnotherTopic({ first, newest }: Chunk, { offset, time }: Place): boolean {
  return (offset === first.offset && time !== first.time) || (newest !== undefined && time > newest);
}

function encodeChunk({ first, newest, bits }: Chunk): string {
  return JSON.stringify({ first, newest, bits: Buffer.from(bits).toString('base64') });
}

function decodeChunk(value: string): Chunk | undefined {
  const { first, newest, bits } = asObject(value) ?? {};
  const { offset, time } = (first ?? {}) as Record<string, unknown>;
  if (!isCount(offset) || !isCount(time) || typeof bits !== 'string') return undefined;
  if (newest !== undefined && !isCount(newest)) return undefined;
  const bytes = Buffer.from(bits, 'base64');
  if (bytes.length !== CHUNK_OFFSETS / 8) return undefined;
  return { first: { offset, time }, newest, bits: Uint8Array.from(bytes) };
}

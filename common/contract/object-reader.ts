/** What a text holds: some of an object's own fields, or why it is not taken for an object. */
export type ReadObject =
  | { readonly kind: 'object'; readonly fields: Readonly<Record<string, unknown>> }
  | { readonly kind: ObjectProblem };

/**
 * `too-deep`: nested deeper than {@link MAX_DEPTH}. `too-many-fields`: it has more than {@link MAX_FIELDS}, or one whose name is
 * longer than {@link MAX_NAME}. `repeated`: it has a field twice, but for upper and lower case.
 */
export type ObjectProblem = 'not-json' | 'not-an-object' | 'too-deep' | 'too-many-fields' | 'repeated';

/** Python, in which connect reads and writes JSON, ends at 1,000 levels with a RecursionError. So nothing deeper is of connect. */
export const MAX_DEPTH = 1_000;
/** Where repeated fields are looked for, all names are remembered. connect's messages have 17 fields of up to 22 characters. */
export const MAX_FIELDS = 1_000;
export const MAX_NAME = 256;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPENING_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSING_BRACKET = 0x5d;
const U = 0x75;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;

const SIMPLE_ESCAPES: ReadonlySet<number> = new Set(Buffer.from('"\\/bfnrt'));
const HEX = /[0-9A-Fa-f]{4}/y;
const NUMBER_OR_WORD = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null/y;
/** A value up to this length is copied. A longer one shares the memory of the text that it was read from. */
const COPIED = 4_096;
/** So many characters take some milliseconds, whichever they are. */
export const READ_AT_ONCE = 128 * 1024;

/** What may come next. */
type Next = 'value' | 'value-or-end' | 'key' | 'key-or-end' | 'colon' | 'comma-or-end' | 'rest-of-string' | 'nothing';

/**
 * Reads some of the own fields of a JSON object, a piece of the text at a time, and accepts exactly the texts that JSON.parse
 * accepts, but for the bounds above.
 *
 * JSON.parse cannot be interrupted, and another organisation writes the text: in one megabyte it has room for what takes a
 * hundred milliseconds to build (fields of different names, nested brackets), and all peers share one thread. Here nothing is
 * built but the fields that are asked for.
 *
 * JSON.parse takes the last of two equal keys. Other readers of the same bytes take the first, or ignore the case, and would
 * see another value than the one that is checked here. So equal keys can be refused. Those within the object's values do not
 * matter.
 */
class ObjectReader {
  readonly #text: string;
  readonly #wanted: ReadonlySet<string>;
  readonly #refuseRepeated: boolean;
  readonly #names = new Set<string>();
  readonly #fields: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  /** For each level: whether it is an object. */
  readonly #levels = new Uint8Array(MAX_DEPTH + 1);
  #depth = 0;
  #at = 0;
  #next: Next = 'value';
  #isObject = false;
  #problem: ObjectProblem | undefined;
  /** Where the string began that is being read, behind its quote; whether it is a key; whether it has escapes. */
  #stringStart = 0;
  #isKey = false;
  #isEscaped = false;
  /** The object's own field whose value comes next, where it is wanted. */
  #field: string | undefined;

  constructor(text: string, wanted: ReadonlySet<string>, refuseRepeated: boolean) {
    this.#text = text;
    this.#wanted = wanted;
    this.#refuseRepeated = refuseRepeated;
  }

  /**
   * Reads on.
   *
   * @param characters about how many at most
   * @returns what the text holds, once that is known
   */
  read(characters: number): ReadObject | undefined {
    const end = Math.min(this.#text.length, this.#at + characters);
    while (this.#at < end && this.#problem === undefined) {
      if (this.#next === 'rest-of-string') this.#readString(end);
      else this.#readToken();
    }
    if (this.#problem !== undefined) return { kind: this.#problem };
    if (this.#at < this.#text.length) return undefined;
    if (this.#next !== 'nothing') return { kind: 'not-json' };
    return this.#isObject ? { kind: 'object', fields: this.#fields } : { kind: 'not-an-object' };
  }

  #readToken(): void {
    const code = this.#text.charCodeAt(this.#at);
    switch (code) {
      case QUOTE:
        return this.#beginString();
      case OPENING_BRACE:
      case OPENING_BRACKET:
        return this.#open(code === OPENING_BRACE);
      case CLOSING_BRACE:
      case CLOSING_BRACKET:
        return this.#close(code === CLOSING_BRACE);
      case COMMA:
        return this.#go('comma-or-end', this.#levels[this.#depth] === 1 ? 'key' : 'value');
      case COLON:
        return this.#go('colon', 'value');
      default:
        if (isSpace(code)) this.#at += 1;
        else this.#readNumberOrWord();
    }
  }

  /** Moves behind one character, which may come only where `from` may. */
  #go(from: Next, to: Next): void {
    if (this.#next !== from) return this.#fail('not-json');
    this.#at += 1;
    this.#next = to;
  }

  #isValueNext(): boolean {
    return this.#next === 'value' || this.#next === 'value-or-end';
  }

  #open(isObject: boolean): void {
    if (!this.#isValueNext()) return this.#fail('not-json');
    if (this.#depth === MAX_DEPTH) return this.#fail('too-deep');
    if (this.#depth === 0) this.#isObject = isObject;
    if (this.#depth === 1) this.#found({});
    this.#depth += 1;
    this.#levels[this.#depth] = isObject ? 1 : 0;
    this.#at += 1;
    this.#next = isObject ? 'key-or-end' : 'value-or-end';
  }

  #close(isObject: boolean): void {
    const ends = isObject ? 'key-or-end' : 'value-or-end';
    const isInObject = this.#levels[this.#depth] === 1;
    if (this.#depth === 0 || isInObject !== isObject || (this.#next !== ends && this.#next !== 'comma-or-end')) {
      return this.#fail('not-json');
    }
    this.#depth -= 1;
    this.#at += 1;
    this.#endValue();
  }

  #endValue(): void {
    this.#next = this.#depth === 0 ? 'nothing' : 'comma-or-end';
  }

  #beginString(): void {
    this.#isKey = this.#next === 'key' || this.#next === 'key-or-end';
    if (!this.#isKey && !this.#isValueNext()) return this.#fail('not-json');
    this.#at += 1;
    this.#stringStart = this.#at;
    this.#isEscaped = false;
    this.#next = 'rest-of-string';
  }

  #readString(end: number): void {
    const text = this.#text;
    let at = this.#at;
    while (at < end) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) {
        this.#at = at + 1;
        return this.#endString(at);
      }
      if (code < 0x20) return this.#fail('not-json');
      if (code === BACKSLASH) {
        const length = this.#escapeAt(at);
        if (length === 0) return this.#fail('not-json');
        this.#isEscaped = true;
        at += length;
      } else at += 1;
    }
    this.#at = at;
  }

  /** The length of an escape; 0 where it is none. */
  #escapeAt(at: number): number {
    const code = this.#text.charCodeAt(at + 1);
    if (code !== U) return SIMPLE_ESCAPES.has(code) ? 2 : 0;
    HEX.lastIndex = at + 2;
    return HEX.test(this.#text) ? 6 : 0;
  }

  /** @param end of the string, without its quote */
  #endString(end: number): void {
    if (this.#isKey) {
      this.#next = 'colon';
      if (this.#depth === 1) this.#beginField(end);
      return;
    }
    this.#endValue();
    if (this.#depth === 1 && this.#field !== undefined) this.#found(this.#stringUntil(end, COPIED));
  }

  #beginField(end: number): void {
    // An escape has six characters at most.
    const isShort = end - this.#stringStart <= MAX_NAME * 6;
    const name = isShort ? this.#stringUntil(end, 0) : undefined;
    this.#field = name !== undefined && this.#wanted.has(name) ? name : undefined;
    if (!this.#refuseRepeated) return;
    if (name === undefined || name.length > MAX_NAME || this.#names.size === MAX_FIELDS) {
      return this.#fail('too-many-fields');
    }
    const folded = name.toLowerCase();
    if (this.#names.has(folded)) return this.#fail('repeated');
    this.#names.add(folded);
  }

  #readNumberOrWord(): void {
    if (!this.#isValueNext()) return this.#fail('not-json');
    NUMBER_OR_WORD.lastIndex = this.#at;
    if (!NUMBER_OR_WORD.test(this.#text)) return this.#fail('not-json');
    if (this.#depth === 1) this.#found(this.#text.startsWith('null', this.#at) ? null : 0);
    this.#at = NUMBER_OR_WORD.lastIndex;
    this.#endValue();
  }

  #found(value: unknown): void {
    if (this.#field !== undefined) this.#fields[this.#field] = value;
    this.#field = undefined;
  }

  /** @param copied up to this length the string is one of its own; a longer one keeps the whole text in memory */
  #stringUntil(end: number, copied: number): string {
    const start = this.#stringStart;
    const isCopied = this.#isEscaped || end - start <= copied;
    return isCopied ? (JSON.parse(this.#text.slice(start - 1, end + 1)) as string) : this.#text.slice(start, end);
  }

  #fail(problem: ObjectProblem): void {
    this.#problem = problem;
  }
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

interface ReadOptions {
  /** Whether an object that has a field twice is none. */
  readonly refuseRepeated: boolean;
  /** How many characters are read between two `yield`s. */
  readonly atOnce?: number;
}

/** Reads a whole text, with a `yield` wherever that has taken some milliseconds. See {@link ObjectReader}. */
export function* readObject(
  text: string,
  wanted: ReadonlySet<string>,
  { refuseRepeated, atOnce = READ_AT_ONCE }: ReadOptions,
): Generator<void, ReadObject> {
  const reader = new ObjectReader(text, wanted, refuseRepeated);
  for (;;) {
    const found = reader.read(atOnce);
    if (found) return found;
    yield;
  }
}

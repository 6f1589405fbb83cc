import { protocolError } from './errors.ts';
import { Incoming, MAX_HEADERS, type MessageHead } from './incoming.ts';

/** What is told of what a server sends. What these throw, {@link ProtocolReader.read} throws. */
export interface ProtocolListener {
  message(message: Incoming): void;
  /** @param json what a server says of itself, as it came */
  info(json: string): void;
  /** @param text as it came */
  error(text: string): void;
  ping(): void;
  pong(): void;
}

/** The longest line that is read. A server's INFO names all servers of its cluster; other lines have less than 1 KB. */
const MAX_LINE = 64 * 1024;
/** What a server may make us read for one message, in bytes: its own `max_payload` cannot be larger. */
const MAX_MESSAGE = 64 * 1024 * 1024;
/** Messages as large as this and larger get buffers of their own, which are theirs alone. */
const SCRATCH_BYTES = 32 * 1024;
/** More digits than any number that counts here has. */
const MAX_DIGITS = 15;

const [TAB, LF, CR, SPACE, ZERO] = [9, 10, 13, 32, 48];

/**
 * Takes apart what a NATS server sends to a client: `MSG`, `HMSG`, `INFO`, `PING`, `PONG`, `+OK` and `-ERR`
 * (docs.nats.io, "Client Protocol"). How the bytes are cut into chunks makes no difference.
 *
 * The server is another organisation's. Whatever it sends, one line and one message are held at most, and of the message no
 * more than the beginning of its headers and of its payload. No text is made of a payload.
 */
export class ProtocolReader {
  readonly #listener: ProtocolListener;
  readonly #keptBytes: number;
  readonly #line = new UnfinishedLine();
  #head: MessageHead | undefined;
  /** What has come of a message of which the end has not. */
  #body: Body | undefined;
  /** Where small messages are put together whose parts came in different chunks: a buffer for each would cost more than all else. */
  #scratch: Buffer | undefined;
  /** Where the words of the line begin and end. */
  readonly #words = new Int32Array(2 * MAX_WORDS);

  /** @param keptBytes how much of a payload is kept; the rest is read and forgotten */
  constructor(listener: ProtocolListener, keptBytes: number) {
    this.#listener = listener;
    this.#keptBytes = keptBytes;
  }

  /**
   * Reads what comes next. Nothing may be read after it has thrown.
   *
   * @throws ConnectionError for what is not the protocol
   */
  read(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      at = this.#head ? this.#readBody(chunk, at, this.#head) : this.#readLine(chunk, at);
    }
  }

  /** @returns where to go on */
  #readLine(chunk: Buffer, at: number): number {
    const end = chunk.indexOf(LF, at);
    const stop = end < 0 ? chunk.length : end;
    if (this.#line.length + stop - at > MAX_LINE) throw protocolError();
    if (end < 0) {
      this.#line.add(chunk.subarray(at));
      return stop;
    }
    if (this.#line.length === 0) this.#takeLine(chunk, at, end);
    else {
      this.#line.add(chunk.subarray(at, end));
      const line = this.#line.take();
      this.#takeLine(line, 0, line.length);
    }
    return end + 1;
  }

  /** @param end where its line feed is */
  #takeLine(bytes: Buffer, start: number, end: number): void {
    if (bytes[end - 1] !== CR || end - 1 < start) throw protocolError();
    const stop = end - 1;
    if (begins(bytes, start, stop, MSG)) this.#head = this.#headOf(bytes, start + MSG.length, stop, false);
    else if (begins(bytes, start, stop, HMSG)) this.#head = this.#headOf(bytes, start + HMSG.length, stop, true);
    else if (is(bytes, start, stop, PING)) this.#listener.ping();
    else if (is(bytes, start, stop, PONG)) this.#listener.pong();
    else if (begins(bytes, start, stop, ERR)) this.#listener.error(bytes.toString('latin1', start + ERR.length, stop));
    else if (begins(bytes, start, stop, INFO)) this.#listener.info(bytes.toString('utf8', start + INFO.length, stop));
    else if (!is(bytes, start, stop, OK)) throw protocolError();
  }

  /** Reads `subject sid [reply] size`, or `subject sid [reply] size-of-headers size`. */
  #headOf(bytes: Buffer, start: number, stop: number, hasHeaders: boolean): MessageHead {
    const words = this.#words;
    const count = splitWords(bytes, start, stop, words);
    const least = hasHeaders ? 4 : 3;
    if (count !== least && count !== least + 1) throw protocolError();
    const sid = numberAt(bytes, words, 1);
    const total = numberAt(bytes, words, count - 1);
    const headerSize = hasHeaders ? numberAt(bytes, words, count - 2) : 0;
    if (total > MAX_MESSAGE || headerSize > total) throw protocolError();
    const reply = count === least ? '' : bytes.toString('latin1', words[4], words[5]);
    return { sid, reply, headerSize, total };
  }

  /** @returns where to go on */
  #readBody(chunk: Buffer, at: number, head: MessageHead): number {
    const end = at + head.total;
    if (!this.#body && end + 2 <= chunk.length) {
      if (chunk[end] !== CR || chunk[end + 1] !== LF) throw protocolError();
      this.#head = undefined;
      this.#listener.message(this.#wholeMessage(chunk, at, head));
      return end + 2;
    }
    this.#body ??= this.#bodyOf(head);
    const next = this.#body.add(chunk, at);
    if (this.#body.isComplete) {
      const message = this.#body.message();
      this.#head = undefined;
      this.#body = undefined;
      this.#listener.message(message);
    }
    return next;
  }

  #bodyOf(head: MessageHead): Body {
    const { headerSize, total } = head;
    const headerBytes = Math.min(headerSize, MAX_HEADERS);
    const payloadBytes = Math.min(total - headerSize, this.#keptBytes);
    if (headerBytes + payloadBytes >= SCRATCH_BYTES) {
      return new Body(head, Buffer.allocUnsafeSlow(headerBytes), Buffer.allocUnsafeSlow(payloadBytes));
    }
    this.#scratch ??= Buffer.allocUnsafeSlow(SCRATCH_BYTES);
    const stop = headerBytes + payloadBytes;
    return new Body(head, this.#scratch.subarray(0, headerBytes), this.#scratch.subarray(headerBytes, stop));
  }

  #wholeMessage(chunk: Buffer, at: number, head: MessageHead): Incoming {
    const { headerSize, total } = head;
    const payloadAt = at + headerSize;
    const payload = chunk.subarray(payloadAt, Math.min(at + total, payloadAt + this.#keptBytes));
    const headers = headerSize === 0 ? undefined : chunk.subarray(at, at + Math.min(headerSize, MAX_HEADERS));
    return new Incoming(head, headers, payload);
  }
}

/** The beginning of a line whose end has not come. Its buffer grows by doubling, so that a line byte by byte costs no more. */
class UnfinishedLine {
  #bytes = Buffer.alloc(0);
  length = 0;

  add(piece: Buffer): void {
    const length = this.length + piece.length;
    if (length > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(length, 2 * this.#bytes.length));
      this.#bytes.copy(larger, 0, 0, this.length);
      this.#bytes = larger;
    }
    piece.copy(this.#bytes, this.length);
    this.length = length;
  }

  take(): Buffer {
    const line = this.#bytes.subarray(0, this.length);
    this.#bytes = Buffer.alloc(0);
    this.length = 0;
    return line;
  }
}

/** A message that comes in several chunks, and what is kept of it. */
class Body {
  readonly #head: MessageHead;
  readonly #headers: Buffer;
  readonly #payload: Buffer;
  /** How much of it has come, the line end behind it included. */
  #read = 0;

  constructor(head: MessageHead, headers: Buffer, payload: Buffer) {
    this.#head = head;
    this.#headers = headers;
    this.#payload = payload;
  }

  get isComplete(): boolean {
    return this.#read === this.#head.total + 2;
  }

  /** @returns where in the chunk to go on */
  add(chunk: Buffer, at: number): number {
    const { headerSize, total } = this.#head;
    const stop = Math.min(chunk.length, at + total + 2 - this.#read);
    const piece = chunk.subarray(at, stop);
    put(piece, this.#read, this.#headers);
    put(piece, this.#read - headerSize, this.#payload);
    const before = this.#read;
    this.#read += piece.length;
    for (let end = Math.max(total, before); end < this.#read; end += 1) {
      if (piece[end - before] !== (end === total ? CR : LF)) throw protocolError();
    }
    return stop;
  }

  message(): Incoming {
    return new Incoming(this.#head, this.#head.headerSize === 0 ? undefined : this.#headers, this.#payload);
  }
}

/** Copies what of a piece falls into the target. @param at where the piece begins in the target; it may be before it or behind */
function put(piece: Buffer, at: number, target: Buffer): void {
  const skipped = Math.max(0, -at);
  if (skipped < piece.length && at + skipped < target.length) piece.copy(target, at + skipped, skipped);
}

const [MSG, HMSG, INFO, ERR] = [Buffer.from('MSG '), Buffer.from('HMSG '), Buffer.from('INFO '), Buffer.from('-ERR ')];
const [PING, PONG, OK] = [Buffer.from('PING'), Buffer.from('PONG'), Buffer.from('+OK')];

function begins(bytes: Buffer, start: number, stop: number, word: Buffer): boolean {
  if (stop - start < word.length) return false;
  for (let at = 0; at < word.length; at += 1) if (bytes[start + at] !== word[at]) return false;
  return true;
}

function is(bytes: Buffer, start: number, stop: number, word: Buffer): boolean {
  return stop - start === word.length && begins(bytes, start, stop, word);
}

/** One more than any line has, so that too many can be told. */
const MAX_WORDS = 6;

/** Notes where each word begins and ends. @returns how many there are, {@link MAX_WORDS} for more */
function splitWords(bytes: Buffer, start: number, stop: number, words: Int32Array): number {
  let count = 0;
  for (let at = start; at < stop && count < MAX_WORDS; count += 1) {
    while (at < stop && isBlank(bytes[at])) at += 1;
    if (at === stop) break;
    words[2 * count] = at;
    while (at < stop && !isBlank(bytes[at])) at += 1;
    words[2 * count + 1] = at;
  }
  return count;
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB;
}

/** @throws ConnectionError for a word that is not a whole number */
function numberAt(bytes: Buffer, words: Int32Array, word: number): number {
  const start = words[2 * word] as number;
  const stop = words[2 * word + 1] as number;
  if (stop - start > MAX_DIGITS) throw protocolError();
  let value = 0;
  for (let at = start; at < stop; at += 1) {
    const digit = (bytes[at] as number) - ZERO;
    if (digit < 0 || digit > 9) throw protocolError();
    value = value * 10 + digit;
  }
  return value;
}

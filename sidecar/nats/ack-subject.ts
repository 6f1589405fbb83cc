/** What an ack subject says about the message that carries it. */
export interface AckSubject {
  readonly deliveryCount: number;
  readonly streamSequence: number;
  readonly consumerSequence: number;
  /** When the stream stored the message, in milliseconds since 1970. */
  readonly time: number;
  readonly pending: number;
}

/** Ours are below 300 characters. Each is kept until its message is acknowledged, and a hostile one could be a megabyte. */
const MAX_LENGTH = 512;
const DOT = 46;
const ZERO = 48;
/** The longest number of nanoseconds since 1970 that a server writes (int64). */
const MAX_TIME_DIGITS = 19;

/**
 * Makes a parser for the ack subjects of one durable. It returns undefined for any other subject.
 *
 * The server writes `$JS.ACK.<stream>.<consumer>.<delivered>.<sseq>.<cseq>.<ns>.<pending>`, or, with a domain and an
 * account hash before the stream, eleven tokens, which may be followed by a random twelfth. The sequences are nowhere but
 * in the subject, and the subject comes from another organisation: a sequence that is not a number, or is too large for
 * exact arithmetic, must never reach the position.
 */
export function ackSubjectParser(stream: string, durable: string): (subject: string) => AckSubject | undefined {
  const plain = `$JS.ACK.${stream}.${durable}.`;
  const infix = `.${stream}.${durable}.`;
  return (subject) => {
    if (subject.length > MAX_LENGTH) return undefined;
    if (subject.startsWith(plain)) {
      const parsed = parseNumbers(subject, plain.length, false);
      if (parsed !== undefined) return parsed;
    }
    const start = afterDomain(subject);
    return start !== undefined && subject.startsWith(infix, start)
      ? parseNumbers(subject, start + infix.length, true)
      : undefined;
  };
}

/** Finds where `$JS.ACK.<domain>.<account hash>` ends. */
function afterDomain(subject: string): number | undefined {
  if (!subject.startsWith('$JS.ACK.')) return undefined;
  const domainEnd = subject.indexOf('.', 8);
  const hashEnd = subject.indexOf('.', domainEnd + 1);
  return domainEnd > 8 && hashEnd > domainEnd + 1 ? hashEnd : undefined;
}

function parseNumbers(subject: string, start: number, mayEndInToken: boolean): AckSubject | undefined {
  const reader = { at: start };
  const deliveryCount = readNumber(subject, reader);
  const streamSequence = readNumber(subject, reader);
  const consumerSequence = readNumber(subject, reader);
  const time = readTime(subject, reader);
  const pending = readNumber(subject, reader);
  if (!(deliveryCount > 0 && streamSequence > 0 && consumerSequence > 0 && time >= 0 && pending >= 0)) return undefined;
  const ended = reader.at === subject.length + 1;
  const random = mayEndInToken && reader.at < subject.length && !subject.includes('.', reader.at);
  return ended || random ? { deliveryCount, streamSequence, consumerSequence, time, pending } : undefined;
}

/** Reads the token at `reader.at` and moves behind the dot after it. Returns -1 for anything but an exact whole number. */
function readNumber(subject: string, reader: { at: number }): number {
  let value = 0;
  const start = reader.at;
  let at = start;
  for (; at < subject.length; at += 1) {
    const code = subject.charCodeAt(at);
    if (code === DOT) break;
    const digit = code - ZERO;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  reader.at = at + 1;
  return at > start && Number.isSafeInteger(value) ? value : -1;
}

/** A number cannot hold nanoseconds exactly, so the last six digits are left out. As {@link readNumber}. */
function readTime(subject: string, reader: { at: number }): number {
  const start = reader.at;
  const end = subject.indexOf('.', start);
  if (end <= start || end - start > MAX_TIME_DIGITS) return -1;
  let value = 0;
  for (let at = start; at < end; at += 1) {
    const digit = subject.charCodeAt(at) - ZERO;
    if (digit < 0 || digit > 9) return -1;
    if (at < end - 6) value = value * 10 + digit;
  }
  reader.at = end + 1;
  return value;
}

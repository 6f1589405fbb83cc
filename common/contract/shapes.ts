/** pino's levels, the one that logs most first. They are here because settings name them and need no logger. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** The shape of a text, such as a setting: it decodes what a person wrote, encodes it again, and says what it expects. */
export interface Shape<Value> {
  readonly expected: string;
  /** @throws ShapeError; its message never holds the text, which may be a secret in the wrong place */
  decode(text: string): Value;
  encode(value: Value): string;
}

/** Thrown when a text, or a part of it, is not of its shape. */
export class ShapeError extends Error {
  override readonly name = 'ShapeError';
  /** Where in the text, such as `[1].servers[0]`; empty for all of it. */
  readonly path: string;
  constructor(path: string, message: string) {
    super(message);
    this.path = path;
  }
}

/** Describes a text without quoting it. */
export function describeText(text: string): string {
  return text === '' ? 'an empty text' : `a text of ${text.length} characters`;
}

function shape<Value>(expected: string, decode: (text: string) => Value | undefined, encode = String): Shape<Value> {
  return {
    expected,
    encode: encode as (value: Value) => string,
    decode: (text) => {
      const value = decode(text);
      if (value === undefined) throw new ShapeError('', `expected ${expected}, found ${describeText(text)}`);
      return value;
    },
  };
}

export const text: Shape<string> = shape('a text that is not empty', (value) => (value === '' ? undefined : value));

/** A text that matches; `expected` says it in words. */
export function matching(pattern: RegExp, expected: string): Shape<string> {
  return shape(expected, (value) => (pattern.test(value) ? value : undefined));
}

/** A name or an IP address, and a port. */
export const HOST_PORT = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}$/;
export const hostPort: Shape<string> = matching(HOST_PORT, 'host:port');

/** Where to listen so that both IPv4 and IPv6 reach it, as `host:port`. `common/probe-server.ts` knows what to do without IPv6. */
export function everyAddress(port: number): string {
  return `[::]:${port}`;
}

export function wholeNumber(least: number, most: number): Shape<number> {
  return shape(`a whole number from ${least} to ${most}`, (value) => {
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    return number >= least && number <= most ? number : undefined;
  });
}

/** As {@link wholeNumber}, or -1, with which Kafka itself means what its brokers are set to. */
export function wholeNumberOrBrokers(least: number, most: number): Shape<number> {
  const number = wholeNumber(least, most);
  return shape(`${number.expected}, or -1 for what the brokers are set to`, (value) => {
    if (value === '-1') return -1;
    try {
      return number.decode(value);
    } catch {
      return undefined;
    }
  });
}

/** `true` or `false` in any of the spellings that Python's settings libraries take, because connect's settings are Python's. */
export const boolean: Shape<boolean> = shape('true or false', (value) => {
  if (/^(?:true|1|yes|on)$/i.test(value)) return true;
  return /^(?:false|0|no|off)$/i.test(value) ? false : undefined;
});

export function oneOf<const Name extends string>(names: readonly Name[]): Shape<Name> {
  return shape(`one of ${names.join(', ')}`, (value) => names.find((name) => name === value.toLowerCase()));
}

/** Begins with a bracket, and not with the address of a server, `[fd00::1]:9092`. */
const JSON_LIST = /^\s*\[(?![0-9A-Fa-f:.]+\])/;

/**
 * A list, written in one of two ways: as JSON, as connect demands it, or as one value or several with commas between, as
 * connect's manifests have it.
 *
 * @param item a pattern that each item must match
 * @param expected what each item is, in words
 */
export function listOf(item: RegExp, expected: string): Shape<readonly string[]> {
  const all = `a JSON list, or a list with commas, of ${expected}`;
  return {
    expected: all,
    encode: (list) => JSON.stringify(list),
    decode: (value) => {
      const list = JSON_LIST.test(value) ? parseJson(value) : value.split(',').map((part) => part.trim());
      if (!Array.isArray(list)) throw new ShapeError('', `expected ${all}, found ${describeText(value)}`);
      for (const [index, part] of list.entries()) {
        if (typeof part !== 'string' || !item.test(part)) throw new ShapeError(`[${index}]`, `expected ${expected}`);
      }
      return list as string[];
    },
  };
}

/** Parses JSON. @throws ShapeError, because the message of JSON.parse would quote the text */
export function parseJson(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    throw new ShapeError('', `expected JSON, found ${describeText(value)} that is not`);
  }
}

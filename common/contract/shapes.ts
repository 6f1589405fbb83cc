/** pino's levels, most first; here because the settings name them and need no logger. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Shapes of settings: each decodes what a person wrote, encodes it again, and says in words what it expects. */
export interface Shape<Value> {
  readonly expected: string;
  /** @throws ShapeError; never with the text in it, which may be a secret in the wrong place */
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

/** Describes a text without telling it. */
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

export function wholeNumber(least: number, most: number): Shape<number> {
  return shape(`a whole number from ${least} to ${most}`, (value) => {
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    return number >= least && number <= most ? number : undefined;
  });
}

/** Python's and everybody else's spellings, since connect's settings are Python's. */
export const boolean: Shape<boolean> = shape('true or false', (value) => {
  if (/^(?:true|1|yes|on)$/i.test(value)) return true;
  return /^(?:false|0|no|off)$/i.test(value) ? false : undefined;
});

export function oneOf<const Name extends string>(names: readonly Name[]): Shape<Name> {
  return shape(`one of ${names.join(', ')}`, (value) => names.find((name) => name === value.toLowerCase()));
}

/**
 * A list: JSON as connect wants it, or a bare value or several with commas, as its manifests have it.
 *
 * @param item a pattern that each must match
 * @param expected what each is, in words
 */
export function listOf(item: RegExp, expected: string): Shape<readonly string[]> {
  const all = `a JSON list, or a list with commas, of ${expected}`;
  return {
    expected: all,
    encode: (list) => JSON.stringify(list),
    decode: (value) => {
      const list = value.trim().startsWith('[') ? parseJson(value) : value.split(',').map((part) => part.trim());
      if (!Array.isArray(list)) throw new ShapeError('', `expected ${all}, found ${describeText(value)}`);
      for (const [index, part] of list.entries()) {
        if (typeof part !== 'string' || !item.test(part)) throw new ShapeError(`[${index}]`, `expected ${expected}`);
      }
      return list as string[];
    },
  };
}

/** Parses JSON. @throws ShapeError; the parser's own message would quote the text */
export function parseJson(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    throw new ShapeError('', `expected JSON, found ${describeText(value)} that is not`);
  }
}

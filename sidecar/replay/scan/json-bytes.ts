/**
 * The grammar of JSON.parse, over the bytes of a text in UTF-8. Nothing is built: each function says where something ends.
 *
 * A text must have a NUL behind it. JSON has a NUL nowhere, so every loop ends there, and nothing else asks whether the text is
 * over. Whether a string is UTF-8 is for the caller to check.
 */

/** What the functions return where there is not what they look for. */
export const NONE = -1;

export const QUOTE = 0x22;
export const COMMA = 0x2c;
export const COLON = 0x3a;
export const OPENING_BRACE = 0x7b;
export const CLOSING_BRACE = 0x7d;
const PLUS = 0x2b;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const CAPITAL_E = 0x45;
export const OPENING_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
export const CLOSING_BRACKET = 0x5d;
const SMALL_E = 0x65;
const SMALL_F = 0x66;
const SMALL_N = 0x6e;
const SMALL_T = 0x74;
const SMALL_U = 0x75;

const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');
const NULL = Buffer.from('null');

const IS_SPACE = tableOf((character) => ' \t\n\r'.includes(character));
const IS_DIGIT = tableOf((character) => /[0-9]/.test(character));
const IS_HEX = tableOf((character) => /[0-9A-Fa-f]/.test(character));
const IS_SIMPLE_ESCAPE = tableOf((character) => '"\\/bfnrt'.includes(character));
/** What stands for itself in a string. */
const IS_PLAIN = tableOf((character) => character >= ' ' && character !== '"' && character !== '\\');

/** For each byte 1 where the character with its number is of a class, else 0. */
function tableOf(isOfClass: (character: string) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => (isOfClass(String.fromCharCode(byte)) ? 1 : 0));
}

/** Behind white space, of which there may be none. */
export function endOfSpace(text: Uint8Array, start: number): number {
  return (text[start] as number) > 0x20 ? start : endOfClass(IS_SPACE, text, start);
}

/** Behind what stands for itself in a string: at its quote, its first escape, or what no string may hold. */
export function endOfPlain(text: Uint8Array, start: number): number {
  return endOfClass(IS_PLAIN, text, start);
}

/** Behind `expected`, or {@link NONE}. It must have no NUL in it. */
export function endOfExpected(expected: Uint8Array, text: Uint8Array, start: number): number {
  for (let nth = 0; nth < expected.length; nth += 1) if (text[start + nth] !== expected[nth]) return NONE;
  return start + expected.length;
}

/**
 * Behind a value, or {@link NONE}.
 *
 * @param start where the value begins
 * @param levels how many levels it may have; deeper ones are not looked at, and `NONE` is returned
 */
export function endOfValue(text: Uint8Array, start: number, levels: number): number {
  const byte = text[start] as number;
  if (byte === QUOTE) return endOfString(text, start + 1);
  if (byte === OPENING_BRACE) return levels === 0 ? NONE : endOfObject(text, start + 1, levels - 1);
  if (byte === OPENING_BRACKET) return levels === 0 ? NONE : endOfList(text, start + 1, levels - 1);
  if (byte === MINUS) return endOfNumber(text, start + 1);
  if (IS_DIGIT[byte] === 1) return endOfNumber(text, start);
  if (byte === SMALL_N) return endOfExpected(NULL, text, start);
  if (byte === SMALL_T) return endOfExpected(TRUE, text, start);
  return byte === SMALL_F ? endOfExpected(FALSE, text, start) : NONE;
}

/** @param start behind the brace */
function endOfObject(text: Uint8Array, start: number, levels: number): number {
  let at = endOfSpace(text, start);
  if (text[at] === CLOSING_BRACE) return at + 1;
  for (;;) {
    if (text[at] !== QUOTE) return NONE;
    at = endOfString(text, at + 1);
    if (at === NONE) return NONE;
    at = endOfSpace(text, at);
    if (text[at] !== COLON) return NONE;
    at = endOfValue(text, endOfSpace(text, at + 1), levels);
    if (at === NONE) return NONE;
    at = endOfSpace(text, at);
    if (text[at] === CLOSING_BRACE) return at + 1;
    if (text[at] !== COMMA) return NONE;
    at = endOfSpace(text, at + 1);
  }
}

/** @param start behind the bracket */
function endOfList(text: Uint8Array, start: number, levels: number): number {
  let at = endOfSpace(text, start);
  if (text[at] === CLOSING_BRACKET) return at + 1;
  for (;;) {
    at = endOfValue(text, at, levels);
    if (at === NONE) return NONE;
    at = endOfSpace(text, at);
    if (text[at] === CLOSING_BRACKET) return at + 1;
    if (text[at] !== COMMA) return NONE;
    at = endOfSpace(text, at + 1);
  }
}

/** @param start behind the quote */
function endOfString(text: Uint8Array, start: number): number {
  let at = endOfPlain(text, start);
  while (text[at] === BACKSLASH) {
    at = endOfEscape(text, at + 1);
    if (at === NONE) return NONE;
    at = endOfPlain(text, at);
  }
  return text[at] === QUOTE ? at + 1 : NONE;
}

/** @param start behind the backslash */
function endOfEscape(text: Uint8Array, start: number): number {
  if (IS_SIMPLE_ESCAPE[text[start] as number] === 1) return start + 1;
  if (text[start] !== SMALL_U) return NONE;
  for (let nth = 1; nth <= 4; nth += 1) if (IS_HEX[text[start + nth] as number] === 0) return NONE;
  return start + 5;
}

/** @param start behind the sign */
function endOfNumber(text: Uint8Array, start: number): number {
  let at = text[start] === ZERO ? start + 1 : endOfDigits(text, start);
  if (at !== NONE && text[at] === DOT) at = endOfDigits(text, at + 1);
  if (at === NONE) return NONE;
  if (text[at] !== SMALL_E && text[at] !== CAPITAL_E) return at;
  const sign = text[at + 1];
  return endOfDigits(text, sign === PLUS || sign === MINUS ? at + 2 : at + 1);
}

function endOfDigits(text: Uint8Array, start: number): number {
  const end = endOfClass(IS_DIGIT, text, start);
  return end === start ? NONE : end;
}

/** Behind all bytes of a class, to which the NUL must not belong. */
function endOfClass(isOfClass: Uint8Array, text: Uint8Array, start: number): number {
  let at = start;
  while (isOfClass[text[at] as number] === 1) at += 1;
  return at;
}

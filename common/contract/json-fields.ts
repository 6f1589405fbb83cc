import { ShapeError } from './shapes.ts';

/** Readers of the parts of a JSON value that a person wrote. `path` says where the part is, for the message. */

/** An object with no other fields than those known. @throws ShapeError */
export function objectAt(value: unknown, path: string, known: readonly string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ShapeError(path, 'expected an object');
  // The name of an unknown field is not quoted, because a secret can be pasted there too.
  const unknown = Object.keys(value).filter((name) => !known.includes(name)).length;
  if (unknown > 0) throw new ShapeError(path, `has ${unknown} unknown field(s); known are ${known.join(', ')}`);
  return value as Record<string, unknown>;
}

/** A text that matches. @throws ShapeError, which never quotes it */
export function textAt(value: unknown, path: string, pattern: RegExp, expected: string): string {
  if (typeof value !== 'string' || !pattern.test(value)) throw new ShapeError(path, `expected ${expected}`);
  return value;
}

/** A list of texts that match. @throws ShapeError */
export function textsAt(value: unknown, path: string, pattern: RegExp, expected: string): readonly string[] {
  if (!Array.isArray(value)) throw new ShapeError(path, `expected a list, of ${expected}`);
  return value.map((part, index) => textAt(part, `${path}[${index}]`, pattern, expected));
}

/** @throws ShapeError */
export function booleanAt(value: unknown, path: string): boolean {
  if (typeof value !== 'boolean') throw new ShapeError(path, 'expected true or false');
  return value;
}

/** A whole number from `least` to `most`. @throws ShapeError */
export function numberAt(value: unknown, path: string, least: number, most: number): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw new ShapeError(path, `expected a whole number from ${least} to ${most}`);
}

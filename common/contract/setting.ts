import { InvalidInputError } from '../errors.ts';
import { type Shape, ShapeError } from './shapes.ts';

/** One setting of a program: its name, what its text looks like, and what counts when it is absent. */
export interface Setting<Value> {
  readonly name: string;
  readonly shape: Shape<Value>;
  readonly meaning: string;
  /** The value when the setting is absent. @throws InvalidInputError when it must be there */
  readonly fallback: () => Value;
  /** The same as text, for the documentation; empty when there is no default. */
  readonly fallbackText: string;
  /** Whether a change takes effect without a restart. */
  readonly reloadable: boolean;
  /** Where the operator takes it from: a field of the LfhSyncNode, or a kind of resource. Absent where nobody can choose it there. */
  readonly field: string | undefined;
}

interface Extras {
  readonly fallbackText?: string;
  readonly reloadable?: boolean;
  readonly field?: string;
}

/** A setting with a default; a function as the default is called when it is needed. */
export function setting<Value>(
  name: string,
  shape: Shape<Value>,
  fallback: Value | (() => Value),
  meaning: string,
  extras: Extras = {},
): Setting<Value> {
  const make = typeof fallback === 'function' ? (fallback as () => Value) : () => fallback;
  const fallbackText = extras.fallbackText ?? (fallback === undefined ? '' : shape.encode(make()));
  const { reloadable = false, field } = extras;
  return { name, shape, meaning, fallback: make, fallbackText, reloadable, field };
}

/** A setting that is undefined when it is absent. */
export function optional<Value>(
  name: string,
  shape: Shape<Value>,
  meaning: string,
  extras: Extras = {},
): Setting<Value | undefined> {
  return setting<Value | undefined>(name, shape, undefined, meaning, extras);
}

/** A setting that must be there. */
export function required<Value>(name: string, shape: Shape<Value>, meaning: string): Setting<Value> {
  const missing = (): never => {
    throw new InvalidInputError(`${name}: must be set; expected ${shape.expected}`);
  };
  return setting<Value>(name, shape, missing, meaning, { fallbackText: '' });
}

/**
 * Decodes one setting.
 *
 * @param found the setting's text; undefined when it is absent
 * @throws InvalidInputError naming the setting, the place in it and what is expected; never with the value, which may be a
 *   secret in the wrong place
 */
export function decodeSetting<Value>(
  { name, shape, fallback, field }: Setting<Value>,
  found: string | undefined,
): Value {
  if (found === undefined) return fallback();
  try {
    return shape.decode(found);
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error;
    const from = field === undefined ? '' : `; the operator takes it from ${field}`;
    throw new InvalidInputError(`${name}${error.path}: ${error.message}${from}`);
  }
}

import { Environment } from '@marcbachmann/cel-js';
import { isQuantity, Quantity } from './quantity.ts';

/**
 * Evaluates the CEL rules of the CRDs as an API server does. The library has CEL itself; what Kubernetes adds to it, as far as our rules
 * use it, is here.
 */

/** What a value is, its schema has checked before: to the rules, any name may be of any type. */
const ENVIRONMENT = new Environment({ unlistedVariablesAreDyn: true, homogeneousAggregateLiterals: false })
  .registerType('Quantity', Quantity)
  .registerFunction('isQuantity(string): bool', isQuantity)
  .registerFunction('quantity(string): Quantity', (text: string) => new Quantity(text))
  .registerFunction('Quantity.isLessThan(Quantity): bool', (a: Quantity, b: Quantity) => a.isLessThan(b))
  .registerFunction('Quantity.isGreaterThan(Quantity): bool', (a: Quantity, b: Quantity) => b.isLessThan(a))
  .registerFunction('string.matchesUnicode(string): bool', (text: string, pattern: string) =>
    new RegExp(pattern, 'u').test(text),
  );

type Rule = (context: { readonly self: unknown; readonly oldSelf?: unknown }) => unknown;
const parsed = new Map<string, Rule>();

/** Whether a rule compares a value with what it was. Such a rule counts only where there was one. */
export function isTransition(rule: string): boolean {
  return /\boldSelf\b/.test(rule);
}

/**
 * @param self as {@link celValue} makes it
 * @param oldSelf the same of what it was; not needed unless {@link isTransition}
 * @throws what the library throws for a rule that it cannot evaluate, which is a bug
 */
export function holdsRule(rule: string, self: unknown, oldSelf?: unknown): boolean {
  // The library's own `matches` knows no Unicode classes such as \p{Cc}, and cannot be replaced.
  const parse = (): Rule => ENVIRONMENT.parse(rule.replaceAll('.matches(', '.matchesUnicode('));
  const evaluate = parsed.get(rule) ?? parse();
  parsed.set(rule, evaluate);
  return evaluate({ self, oldSelf }) === true;
}

/** A value as CEL has it: a whole number is an int and no double, and the names of fields are escaped as Kubernetes does. */
export function celValue(value: unknown): unknown {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(celValue);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [escaped(name), celValue(field)]));
}

function escaped(name: string): string {
  return name
    .replaceAll('__', '__underscores__')
    .replaceAll('.', '__dot__')
    .replaceAll('-', '__dash__')
    .replaceAll('/', '__slash__');
}

import { parseArgs } from 'node:util';
import { type CommandText, EVERYWHERE, type Option, type Options, type Values } from './command.ts';
import { didYouMean } from './suggest.ts';

/** Thrown where the program was used wrongly; its message says how. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface Given<Known extends Options> {
  readonly options: Values<Known>;
  readonly arguments: readonly string[];
}

/**
 * Finds the command among all that was typed; options may stand before it.
 *
 * @returns the rest without it; the command is undefined where there is none
 */
export function findCommand(
  typed: readonly string[],
  commands: readonly CommandText[],
): { readonly name: string | undefined; readonly rest: readonly string[] } {
  const options = Object.assign({}, EVERYWHERE, ...commands.map((command) => command.options)) as Options;
  const { tokens } = parse(typed, options);
  const first = tokens.find(({ kind }) => kind === 'positional');
  if (first?.kind !== 'positional') return { name: undefined, rest: typed };
  return { name: first.value, rest: typed.filter((_, index) => index !== first.index) };
}

/**
 * Reads what was typed behind the name of a command.
 *
 * @throws UsageError
 */
export function parseCommand<Known extends Options>(
  { name, options, arguments: known }: CommandText<Known>,
  typed: readonly string[],
): Given<Known & typeof EVERYWHERE> {
  const all = { ...EVERYWHERE, ...options };
  const values = Object.fromEntries(
    Object.entries(all).map(([option, { type }]) => [option, type === 'boolean' ? false : undefined]),
  ) as Record<string, boolean | string | undefined>;
  const { tokens, positionals } = parse(typed, all);
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    values[token.name] = valueOf(token.rawName, token.value, optionOf(all, token, name));
  }
  if (values.help !== true) checkArguments(name, known, positionals);
  return { options: values as Values<Known & typeof EVERYWHERE>, arguments: positionals };
}

function parse(typed: readonly string[], options: Options) {
  // Not strict: what is wrong is said in our own words.
  const known = Object.entries(options).map(([name, { type, short }]) => [name, { type, ...(short && { short }) }]);
  const config = { args: [...typed], options: Object.fromEntries(known) as Record<string, Pick<Option, 'type'>> };
  return parseArgs({ ...config, strict: false, allowPositionals: true, tokens: true });
}

function optionOf(
  options: Options,
  token: { readonly name: string; readonly rawName: string },
  command: string,
): Option {
  const found = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
  if (found) return found;
  const names = Object.keys(options).map((option) => `--${option}`);
  throw new UsageError(`${command} has no option ${token.rawName}${didYouMean(token.rawName, names)}`);
}

function valueOf(typed: string, value: string | undefined, { type, choices, value: called }: Option): boolean | string {
  if (type === 'boolean') {
    if (value !== undefined) throw new UsageError(`${typed} has no value`);
    return true;
  }
  if (value === undefined || value === '')
    throw new UsageError(`${typed} needs a value: ${typed} ${called ?? 'VALUE'}`);
  if (choices && !choices.includes(value)) {
    throw new UsageError(`${typed} is one of ${choices.join(', ')}${didYouMean(value, choices)}`);
  }
  return value;
}

function checkArguments(command: string, known: CommandText['arguments'], given: readonly string[]): void {
  const missing = known[given.length];
  if (missing?.required) throw new UsageError(`${command} needs ${missing.name}: ${missing.meaning}`);
  if (given.length > known.length) {
    const takes = known.length === 0 ? 'no arguments' : known.map(({ name }) => name).join(' ');
    throw new UsageError(`${command} takes ${takes}, and nothing more`);
  }
}

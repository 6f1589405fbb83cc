import { columns } from '../text/columns.ts';
import { wrap } from '../text/wrap.ts';
import { type CommandText, EVERYWHERE, type Option } from './command.ts';
import { EXIT_CODES } from './exit-codes.ts';

/** Help texts, from the commands' own words. */

const INDENT = '  ';
/** Where the meaning of an option begins at most; longer options have a line of their own. */
const MOST_LEFT = 30;

/** What `lfh-sync` says without a command. */
export function overview(program: string, commands: readonly CommandText[], width: number): string {
  return [
    wrap('Looks after the nodes that lfh-sync keeps in sync: what they do, who has to act, and what is set up.', width),
    '',
    `Usage: ${program} COMMAND [OPTIONS]`,
    '',
    'Commands:',
    ...columns(commands.map(({ name, summary }) => [INDENT + name, summary])),
    '',
    'Exit codes:',
    ...columns(Object.values(EXIT_CODES).map(({ code, meaning }) => [INDENT + code, meaning])),
    '',
    `${program} COMMAND --help says more of one.`,
  ].join('\n');
}

/** What `lfh-sync COMMAND --help` says. */
export function helpOf(program: string, command: CommandText, width: number): string {
  const { summary, description, examples, notWell } = command;
  const parts = [
    [wrap(summary, width)],
    [`Usage: ${program} ${usageOf(command)}`],
    ...description.map((paragraph) => [wrap(paragraph, width)]),
    argumentLines(command, width),
    optionLines(command, width),
    examples.length === 0
      ? []
      : [
          'Examples:',
          ...examples.flatMap(({ line, meaning }) => [`${INDENT}# ${meaning}`, `${INDENT}${program} ${line}`]),
        ],
    notWell === undefined ? [] : [wrap(`Exit code 1: ${notWell}`, width)],
  ];
  return parts
    .filter((part) => part.length > 0)
    .map((part) => part.join('\n'))
    .join('\n\n');
}

/** `accept FILE [OPTIONS]` */
export function usageOf({ name, arguments: known }: CommandText): string {
  const given = known.map(({ name, required }) => (required ? name : `[${name}]`));
  return [name, ...given, '[OPTIONS]'].join(' ');
}

/** `-o, --output FORMAT` */
export function optionUsage(name: string, { short, type, value }: Option): string {
  const long = `--${name}${type === 'string' ? ` ${value ?? 'VALUE'}` : ''}`;
  return short === undefined ? long : `-${short}, ${long}`;
}

/** The meaning of an option with the values that there are. */
export function optionMeaning({ meaning, choices }: Option): string {
  return choices === undefined ? meaning : `${meaning} One of ${choices.join(', ')}.`;
}

function argumentLines({ arguments: known }: CommandText, width: number): string[] {
  return known.length === 0
    ? []
    : [
        'Arguments:',
        ...listed(
          known.map(({ name, meaning }) => [name, meaning]),
          width,
        ),
      ];
}

function optionLines({ options }: CommandText, width: number): string[] {
  const rows = Object.entries<Option>({ ...options, ...EVERYWHERE });
  return [
    'Options:',
    ...listed(
      rows.map(([name, option]) => [optionUsage(name, option), optionMeaning(option)]),
      width,
    ),
  ];
}

/** A name and its meaning on each line; meanings begin below each other, and go on below where they began. */
function listed(rows: readonly (readonly [name: string, meaning: string])[], width: number): string[] {
  const left = Math.min(MOST_LEFT, Math.max(...rows.map(([name]) => name.length)) + 3);
  const margin = ' '.repeat(INDENT.length + left);
  return rows.flatMap(([name, meaning]) => {
    const lines = wrap(meaning, Math.max(width - margin.length, MOST_LEFT)).split('\n');
    const [first = '', ...rest] = name.length + 1 > left ? ['', ...lines] : lines;
    return [`${INDENT}${name.padEnd(left)}${first}`.trimEnd(), ...rest.map((line) => margin + line)];
  });
}

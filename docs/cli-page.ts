import { type CommandText, type Option } from '../cli/args/command.ts';
import { EXIT_CODES } from '../cli/args/exit-codes.ts';
import { optionMeaning, optionUsage, usageOf } from '../cli/args/help.ts';
import { COMMANDS } from '../cli/commands/table.ts';
import { markdownTable, withMade, wrapped } from './markdown.ts';

/** docs/cli.md: what is written by hand, and then every command, from the table of commands. */
export function cliPage(written: string): string {
  const exitCodes = Object.values(EXIT_CODES).map(({ code, meaning }) => [String(code), meaning]);
  const list = COMMANDS.map(({ name, summary }) => [`[${name}](#${name})`, summary]);
  return withMade(written, 'cli/commands', [
    '## All commands',
    markdownTable(['command', 'what it does'], list),
    'The exit codes:',
    markdownTable(['code', 'meaning'], exitCodes),
    ...COMMANDS.flatMap(commandParts),
  ]);
}

function commandParts(command: CommandText): string[] {
  const { name, summary, description, arguments: known, options, examples, notWell } = command;
  const rows = [
    ...known.map(({ name, meaning }) => [`\`${name}\``, meaning]),
    ...Object.entries<Option>(options).map(([option, given]) => [
      `\`${optionUsage(option, given)}\``,
      optionMeaning(given),
    ]),
  ];
  const lines = examples.map(({ line, meaning }) => `lfh-sync ${line}    # ${meaning}`);
  return [
    `### ${name}`,
    `\`lfh-sync ${usageOf(command)}\``,
    wrapped(summary),
    ...description.map(wrapped),
    ...(rows.length === 0 ? [] : [markdownTable(['given', 'meaning'], rows)]),
    ...(lines.length === 0 ? [] : [['```', ...lines, '```'].join('\n')]),
    ...(notWell === undefined ? [] : [wrapped(`Exit code 1: ${notWell}`)]),
  ];
}

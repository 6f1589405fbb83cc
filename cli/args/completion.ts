import { type Argument, type CommandText, EVERYWHERE, type Option, type Options } from './command.ts';

/** Scripts for shells that complete commands, options and arguments. They are made from the commands' own words. */

export const SHELLS = ['bash', 'zsh'] as const;
export type Shell = (typeof SHELLS)[number];

/** Asks the cluster of the current context; prints nothing where that cannot be done. */
const PEERS = "$(kubectl get lfhsyncpeers -o name 2>/dev/null | sed 's|.*/||')";

/**
 * @param programs the names by which the program is called
 * @param names what can be explained
 */
export function completionScript(
  shell: Shell,
  commands: readonly CommandText[],
  programs: readonly string[],
  names: readonly string[],
): string {
  const words = { peers: PEERS, names: names.join(' ') };
  return shell === 'bash' ? bash(commands, programs, words) : zsh(commands, programs, words);
}

/** What an argument is completed with, as the scripts have it. */
type Words = Readonly<Record<'peers' | 'names', string>>;

function bash(commands: readonly CommandText[], programs: readonly string[], words: Words): string {
  const cases = commands.map((command) => {
    const options = { ...command.options, ...EVERYWHERE };
    const values = Object.entries<Option>(options).flatMap(([name, { choices }]) =>
      choices ? [`        --${name}) COMPREPLY=($(compgen -W "${choices.join(' ')}" -- "$word")); return ;;`] : [],
    );
    return [
      `    ${command.name})`,
      '      case "$before" in',
      ...values,
      ...takingValues(options).map((name) => `        --${name}) COMPREPLY=($(compgen -f -- "$word")); return ;;`),
      '      esac',
      `      if [[ "$word" == -* ]]; then COMPREPLY=($(compgen -W "${longNames(options)}" -- "$word"))`,
      `      else ${bashAction(command.arguments[0], words)}; fi ;;`,
    ].join('\n');
  });
  return [
    '_lfh_sync() {',
    '  local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" command="" each',
    '  COMPREPLY=()',
    '  for each in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
    `    case " ${commands.map(({ name }) => name).join(' ')} " in *" $each "*) command="$each"; break ;; esac`,
    '  done',
    '  case "$command" in',
    ...cases,
    `    "") COMPREPLY=($(compgen -W "${commands.map(({ name }) => name).join(' ')}" -- "$word")) ;;`,
    '  esac',
    '}',
    `complete -F _lfh_sync ${programs.join(' ')}`,
    '',
  ].join('\n');
}

function bashAction(argument: Argument | undefined, words: Words): string {
  if (argument === undefined) return 'COMPREPLY=()';
  if (argument.completes === 'files') return 'COMPREPLY=($(compgen -f -- "$word"))';
  return `COMPREPLY=($(compgen -W "${wordsOf(argument, words)}" -- "$word"))`;
}

function zsh(commands: readonly CommandText[], programs: readonly string[], words: Words): string {
  const cases = commands.map((command) => {
    const options = Object.entries<Option>({ ...command.options, ...EVERYWHERE }).flatMap(zshOption);
    const given = command.arguments.map(
      (argument) => `      ${quoted(`:${argument.name}:${zshAction(argument, words)}`)}`,
    );
    return [
      `    ${command.name}) _arguments \\`,
      [...options.map((each) => `      ${each}`), ...given].join(' \\\n'),
      '    ;;',
    ].join('\n');
  });
  return [
    `#compdef ${programs.join(' ')}`,
    '_lfh_sync() {',
    '  local -a commands=(',
    ...commands.map(({ name, summary }) => `    ${quoted(`${name}:${summary}`)}`),
    '  )',
    '  if (( CURRENT == 2 )); then _describe command commands; return; fi',
    '  local command="$words[2]"; shift words; (( CURRENT-- ))',
    '  case "$command" in',
    ...cases,
    '  esac',
    '}',
    `compdef _lfh_sync ${programs.join(' ')}`,
    '',
  ].join('\n');
}

function zshOption([name, { short, type, choices, value = 'VALUE', meaning }]: [string, Option]): string[] {
  const text = `[${meaning.replaceAll(/[[\]]/g, '')}]`;
  const action = choices ? `(${choices.join(' ')})` : '_files';
  const taken = type === 'boolean' ? '' : `:${value}:${action}`;
  const names = short === undefined ? [`--${name}`] : [`--${name}`, `-${short}`];
  return names.map((each) => quoted(each + text + taken.replaceAll("'", '')));
}

function zshAction(argument: Argument, words: Words): string {
  return argument.completes === 'files' ? '_files' : `(${wordsOf(argument, words)})`;
}

function wordsOf({ completes = [] }: Argument, words: Words): string {
  if (completes === 'peers' || completes === 'names') return words[completes];
  return typeof completes === 'string' ? '' : completes.join(' ');
}

/** In quotation marks that a shell looks into only for the peers. */
function quoted(text: string): string {
  return text.includes('$(') ? `"${text}"` : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function longNames(options: Options): string {
  return Object.keys(options)
    .map((name) => `--${name}`)
    .join(' ');
}

/** Options whose values are not known, but may be files. */
function takingValues(options: Options): string[] {
  return Object.entries(options).flatMap(([name, { type, choices }]) => (type === 'string' && !choices ? [name] : []));
}

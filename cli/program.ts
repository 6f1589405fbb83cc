import { messageOf } from '../common/errors.ts';
import { KubeError } from '../operator/cluster/errors.ts';
import { EXIT_CODES, type Outcome } from './args/exit-codes.ts';
import { helpOf, overview } from './args/help.ts';
import { findCommand, parseCommand, UsageError } from './args/parse.ts';
import { didYouMean } from './args/suggest.ts';
import type { Command } from './commands/command.ts';
import { PROGRAMS } from './commands/programs.ts';
import { COMMANDS } from './commands/table.ts';
import { CannotAskError, NotWellError } from './io/errors.ts';
import type { Terminal } from './io/terminal.ts';

const [PROGRAM] = PROGRAMS;

interface Surroundings {
  readonly terminal: Terminal;
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
}

/**
 * Runs the command that was typed.
 *
 * @param typed behind the name of the program
 * @returns the exit code; nothing is thrown
 */
export async function runProgram(typed: readonly string[], surroundings: Surroundings): Promise<number> {
  const { terminal } = surroundings;
  try {
    return EXIT_CODES[await run(typed, surroundings)].code;
  } catch (error) {
    const { outcome, says } = explainError(error);
    terminal.say(`${PROGRAM}: ${says}`);
    return EXIT_CODES[outcome].code;
  }
}

async function run(typed: readonly string[], surroundings: Surroundings): Promise<Outcome> {
  const { terminal } = surroundings;
  const { name, rest } = findCommand(typed, COMMANDS);
  if (name === undefined) {
    const isAsked = typed.length === 0 || typed.some((each) => each === '--help' || each === '-h');
    if (!isAsked) throw new UsageError(`a command is missing; ${PROGRAM} --help lists all`);
    terminal.print(overview(PROGRAM, COMMANDS, terminal.width));
    return 'well';
  }
  // `lfh-sync help status` is what many type.
  if (name === 'help') return run([...rest, '--help'], surroundings);
  const command = commandNamed(name);
  const { options, arguments: given } = parseCommand(command, rest);
  if (options.help) {
    terminal.print(helpOf(PROGRAM, command, terminal.width));
    return 'well';
  }
  return command.run({ ...surroundings, options, arguments: given, commands: COMMANDS });
}

function commandNamed(name: string): Command {
  const found = COMMANDS.find((command) => command.name === name);
  if (found) return found;
  const hint = didYouMean(
    name,
    COMMANDS.map((command) => command.name),
  );
  throw new UsageError(`there is no command ${name}${hint || `; ${PROGRAM} --help lists all`}`);
}

/** What an error leads to, and what is said of it. */
function explainError(error: unknown): { readonly outcome: Outcome; readonly says: string } {
  if (error instanceof UsageError) return { outcome: 'wrongUse', says: error.message };
  if (error instanceof NotWellError) return { outcome: 'notWell', says: error.message };
  if (error instanceof CannotAskError) return { outcome: 'cannotAsk', says: error.message };
  if (error instanceof KubeError) {
    // What the API server takes for invalid is answered; anything else is no answer to what was asked.
    const isAnswer = error.code === 422 || error.code === 409;
    return { outcome: isAnswer ? 'notWell' : 'cannotAsk', says: `the cluster says no: ${messageOf(error)}` };
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { outcome: 'cannotAsk', says: `an error that nobody foresaw; please report it: ${stack}` };
}

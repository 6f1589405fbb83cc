import type { CLUSTER, CommandText, EVERYWHERE, Options, Values, WAIT, YES } from '../args/command.ts';
import type { Outcome } from '../args/exit-codes.ts';
import { UsageError } from '../args/parse.ts';
import { type Cluster, findCluster } from '../io/cluster.ts';
import { NotWellError } from '../io/errors.ts';
import type { Terminal } from '../io/terminal.ts';
import { parseDuration } from '../text/duration.ts';

/** One use of a command. */
export interface Call<Given extends Options = Options> {
  readonly options: Values<Given & typeof EVERYWHERE>;
  /** By their places; as many as the command takes, at least those that it needs. */
  readonly arguments: readonly string[];
  readonly terminal: Terminal;
  readonly env: NodeJS.ProcessEnv;
  /** Aborted when the person wants no more of it (Ctrl-C). */
  readonly signal: AbortSignal;
  /** All that there are, for the commands that are about commands. */
  readonly commands: readonly CommandText[];
}

/**
 * A command: what it says of itself, and what it does.
 *
 * `run` returns what came of it, or throws: UsageError is exit code 2, NotWellError 1, CannotAskError and KubeError 3.
 */
export interface Command<Given extends Options = Options> extends CommandText<Given> {
  run(call: Call<Given>): Promise<Outcome>;
}

/** Gives a command the types of its own options. */
export function defineCommand<const Given extends Options>(command: Command<Given>): Command {
  return command;
}

/**
 * The cluster that is meant by the options of {@link CLUSTER}.
 *
 * @param dryRun whether everything that is written is only judged by the API server
 * @throws CannotAskError
 */
export function clusterOf(
  { options, env }: Pick<Call<typeof CLUSTER>, 'options' | 'env'>,
  dryRun = false,
): Promise<Cluster> {
  return findCluster(options, env, dryRun);
}

/** How long a command waits, in milliseconds. @throws UsageError where what was typed is no duration */
export function timeoutOf({ timeout = '5m' }: Values<Pick<typeof WAIT, 'timeout'>>): number {
  const ms = parseDuration(timeout);
  if (ms === undefined) throw new UsageError('--timeout is a duration, such as 90s, 5m or 1h');
  return ms;
}

/**
 * Asks whether to go on.
 *
 * @throws UsageError where nobody can be asked, NotWellError where the answer is no
 */
export async function confirm({ options, terminal, signal }: Call<typeof YES>, question: string): Promise<void> {
  if (options.yes) return;
  if (!terminal.isInteractive) throw new UsageError('nobody can be asked here: look at it first, and then give --yes');
  if (!(await terminal.confirm(question, signal))) throw new NotWellError('nothing was changed');
}

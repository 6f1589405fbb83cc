import type { CLUSTER, CommandText, EVERYWHERE, Options, Values } from '../args/command.ts';
import type { Outcome } from '../args/exit-codes.ts';
import { type Cluster, findCluster } from '../io/cluster.ts';
import type { Terminal } from '../io/terminal.ts';

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

/** The cluster that is meant by the options of {@link CLUSTER}. @throws CannotAskError */
export function clusterOf({ options, env }: Pick<Call<typeof CLUSTER>, 'options' | 'env'>): Promise<Cluster> {
  return findCluster(options, env);
}

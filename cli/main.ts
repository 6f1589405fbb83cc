#!/usr/bin/env node
import { processTerminal } from './io/terminal.ts';
import { runProgram } from './program.ts';

/** The command line: `lfh-sync`, and `kubectl lfh-sync` where it is in the PATH as `kubectl-lfh_sync`. */

const stop = new AbortController();
/** As shells count a program that a signal has ended. */
const INTERRUPTED = 130;

process.on('SIGINT', () => {
  // The second time it ends at once, whatever it waits for.
  if (stop.signal.aborted) process.exit(INTERRUPTED);
  stop.abort();
});
// Who reads what is printed may have seen enough, as `head` does.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

process.exitCode = await runProgram(process.argv.slice(2), {
  terminal: processTerminal(process),
  env: process.env,
  signal: stop.signal,
});
if (stop.signal.aborted) process.exitCode = INTERRUPTED;

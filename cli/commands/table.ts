import { accept } from './accept.ts';
import { check } from './check.ts';
import type { Command } from './command.ts';
import { completion } from './completion.ts';
import { dump } from './dump.ts';
import { explain } from './explain.ts';
import { invite } from './invite.ts';
import { pause, resume } from './pause.ts';
import { redrive } from './redrive.ts';
import { rotate } from './rotate.ts';
import { run } from './run.ts';
import { connectPatchCommand, kafkaAcls, natsValues } from './setup.ts';
import { status } from './status.ts';
import { trace } from './trace.ts';
import { version } from './version.ts';

/**
 * Every command, in the order of the help text and of docs/cli.md. A new one is a file of its own beside this one, and an entry here.
 */
export const COMMANDS: readonly Command[] = [
  status,
  check,
  invite,
  accept,
  pause,
  resume,
  rotate,
  redrive,
  trace,
  dump,
  run,
  explain,
  natsValues,
  connectPatchCommand,
  kafkaAcls,
  completion,
  version,
];

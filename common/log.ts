import { type Logger, pino, stdTimeFunctions } from 'pino';
import type { LogLevel } from './contract/shapes.ts';
import { messageOf } from './errors.ts';

export type { Logger } from 'pino';

/**
 * A logger that writes JSON lines to stdout. An error is logged with its name, its stack and the messages of its causes, and
 * never with its own fields, because a library may keep a request there, and so a payload.
 *
 * A child logger has a copy of its parent's level: setting the parent's `level` later does not change it.
 */
export function createLogger(options: { readonly name: string; readonly level: LogLevel }): Logger {
  return pino({
    name: options.name,
    level: options.level,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { err: describeError },
  });
}

function describeError(error: unknown): object {
  if (!(error instanceof Error)) return { message: messageOf(error) };
  return { name: error.name, message: messageOf(error), stack: error.stack };
}

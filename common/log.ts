import { type Logger, pino, stdTimeFunctions } from 'pino';
import type { LogLevel } from './contract/shapes.ts';
import { messageOf } from './errors.ts';

export type { Logger } from 'pino';

/**
 * JSON lines on stdout. Errors are logged with their name, stack and what their causes say, never with their own fields: a
 * library may keep a request, and so a payload, there.
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

import { type DestinationStream, type LogFn, type Logger, type LoggerOptions, pino, stdTimeFunctions } from 'pino';
import type { LogLevel } from './contract/shapes.ts';
import { messageOf } from './errors.ts';

export type { Logger } from 'pino';

/**
 * A logger that writes JSON lines to stdout. An error is logged with its name, its stack and the messages of its causes, and
 * never with its own fields, because a library may keep a request there, and so a payload.
 *
 * A child logger has a copy of its parent's level: setting the parent's `level` later does not change it.
 */
export function createLogger(
  options: { readonly name: string; readonly level: LogLevel },
  destination: DestinationStream = pino.destination(1),
): Logger {
  const settings: LoggerOptions = {
    name: options.name,
    level: options.level,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { err: describeError },
    hooks: { logMethod: limitLines },
  };
  return pino(settings, destination);
}

/** How often a limited logger writes one kind of line at most. */
export const LINE_EVERY_MS = 60_000;

interface Line {
  count: number;
  writtenAt: number;
}

const LINES = Symbol('lines');
/** pino's number of the level. */
const INFO = 30;

/**
 * A child logger for what another organisation can provoke as often as it likes, so that it cannot push everything else out of
 * the log. From `info` on it writes one line in {@link LINE_EVERY_MS} for each text and `reason`. The line describes the newest
 * occurrence, and its `count` is the sum of the counts since the line before; a line without a count counts as one.
 *
 * Texts must not contain anything that varies, which belongs into the fields.
 */
export function limitedChild(log: Logger, bindings: Readonly<Record<string, unknown>>): Logger {
  return Object.assign(log.child(bindings), { [LINES]: new Map<string, Line>() });
}

/** pino calls this for each line that its level lets through. A child inherits the properties of its parent. */
function limitLines(this: Logger, args: Parameters<LogFn>, write: LogFn, level: number): void {
  const lines = (this as { readonly [LINES]?: Map<string, Line> })[LINES];
  const [fields, text] = args as unknown as [unknown, unknown];
  if (lines === undefined || level < INFO || typeof fields !== 'object' || fields === null) {
    return write.apply(this, args);
  }
  const { reason, count } = fields as { readonly reason?: unknown; readonly count?: number };
  const kind = `${String(reason)} ${String(text)}`;
  const now = performance.now();
  const line = lines.get(kind) ?? { count: 0, writtenAt: Number.NEGATIVE_INFINITY };
  lines.set(kind, line);
  line.count += count ?? 1;
  if (now - line.writtenAt < LINE_EVERY_MS) return;

  const counted = count !== undefined || line.count > 1;
  write.call(this, counted ? { ...fields, count: line.count } : fields, text as string);
  line.count = 0;
  line.writtenAt = now;
}

function describeError(error: unknown): object {
  if (!(error instanceof Error)) return { message: messageOf(error) };
  return { name: error.name, message: messageOf(error), stack: error.stack };
}

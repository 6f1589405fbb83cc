import type { Reason } from './contract/reasons.ts';

/**
 * The errors that the sidecar reports as the state of a peer. The class of an error decides what happens next. A
 * {@link ReportedError} is reported and retried. Anything else is a bug: in the replay of a peer it stops that peer alone, as
 * `InternalError`, because another organisation's input may have provoked it. Elsewhere it ends the process, except in a
 * reconcile, which is logged and tried again.
 *
 * A library's own errors are translated into these in the one folder that calls the library, with the original kept
 * as `cause`. Messages are for a person: they say what is wrong, where, and what to do, and never hold a payload, seed or
 * password.
 *
 * Three further classes are decided about where they are thrown, never reach a report, and so live beside their code:
 * `KubeError` (an answer of the Kubernetes API, operator/cluster/errors.ts), `LeaseLostError` (another operator leads,
 * operator/controller/lease.ts) and `ShapeError` (a text that is not of its shape, which becomes an
 * {@link InvalidInputError} with the setting's name, common/contract/shapes.ts).
 */
export abstract class ReportedError extends Error {
  /** What `/status` and the conditions show. */
  abstract readonly reason: Reason;
}

/** Thrown when trying again, unchanged, may succeed: a server is down, or somebody may replace a certificate. */
export class TransientError extends ReportedError {
  override readonly name = 'TransientError';
  override readonly reason: Reason;
  constructor(reason: Reason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** Thrown when what a person wrote is wrong; nothing changes until they change it. */
export class InvalidInputError extends ReportedError {
  override readonly name = 'InvalidInputError';
  override readonly reason: Reason = 'InvalidSettings';
}

/** Thrown when a file, key or resource that a setting names does not exist, or does not exist yet. */
export class MissingReferenceError extends ReportedError {
  override readonly name = 'MissingReferenceError';
  override readonly reason: Reason = 'InvalidSettings';
}

/**
 * Thrown when Kafka says that a newer producer holds this peer's transactional id. This producer can commit nothing any
 * more, and what it had not committed is aborted.
 */
export class FencedError extends ReportedError {
  override readonly name = 'FencedError';
  override readonly reason: Reason = 'Fenced';
}

/**
 * Thrown when a transaction failed and its outcome is unknown, or known to be an abort. The producer must be discarded.
 * The position that is read after the next take-over shows whether the transaction was committed.
 */
export class UncertainCommitError extends ReportedError {
  override readonly name = 'UncertainCommitError';
  override readonly reason: Reason = 'UncertainCommit';
}

/**
 * What an error and its causes say, outermost first, without stacks. For one log line or one status message. It never throws,
 * whatever was thrown.
 */
export function messageOf(error: unknown): string {
  try {
    return messagesOf(error, MAX_CAUSES);
  } catch {
    return 'an error that has no text';
  }
}

const MAX_CAUSES = 10;

function messagesOf(error: unknown, depth: number): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined || depth === 0 ? '' : `: ${messagesOf(error.cause, depth - 1)}`;
  return error.message.includes(cause.slice(2)) ? error.message : `${error.message}${cause}`;
}

/** An error that nobody foresaw, as far as it may be logged. */
export interface Unforeseen {
  readonly name: string;
  /** Node's own, such as `ERR_OUT_OF_RANGE`. */
  readonly code?: string;
  /** Where it was thrown, without its message. */
  readonly stack: readonly string[];
}

const IDENTIFIER = /^\w{1,60}$/;
const FRAME = /^ +at .{1,300}$/;

/**
 * Describes an error that nobody foresaw. Its message is left out: the engine's own messages quote what they tripped over, and
 * here that may be a patient's (`JSON.parse`, `BigInt`). It never throws, whatever was thrown.
 */
export function describeUnforeseen(error: unknown): Unforeseen {
  try {
    if (!(error instanceof Error)) return { name: `a thrown ${typeof error}`, stack: [] };
    const { code } = error as { readonly code?: unknown };
    return {
      name: IDENTIFIER.test(error.name) ? error.name : 'Error',
      ...(typeof code === 'string' && IDENTIFIER.test(code) && { code }),
      stack: (error.stack ?? '')
        .split('\n')
        .filter((line) => FRAME.test(line))
        .map((line) => line.trim()),
    };
  } catch {
    return { name: 'an error that cannot be looked at', stack: [] };
  }
}

import type { Reason } from './contract/reasons.ts';

/**
 * The error classes of the design's "Errors" table: the class of an error decides what happens next.
 *
 * A library's own errors are translated into these in the one folder that calls the library, with the original kept
 * as `cause`. Messages are for a person: what is wrong, where, and what to do; never a payload, seed or password.
 */

/** Thrown when trying again, unchanged, may succeed: a server that is down, a certificate somebody may replace. */
export class TransientError extends Error {
  override readonly name = 'TransientError';
  readonly reason: Reason;
  constructor(reason: Reason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** Thrown when what a person wrote is wrong; nothing changes until they change it. */
export class InvalidInputError extends Error {
  override readonly name = 'InvalidInputError';
  readonly reason: Reason = 'InvalidSettings';
}

/** Thrown when a file, key or resource that a setting names does not exist (yet). */
export class MissingReferenceError extends Error {
  override readonly name = 'MissingReferenceError';
  readonly reason: Reason = 'InvalidSettings';
}

/**
 * Thrown when Kafka says that somebody newer holds this peer's transactional id. Nothing of this producer's was or
 * will be committed any more.
 */
export class FencedError extends Error {
  override readonly name = 'FencedError';
  readonly reason: Reason = 'Fenced';
}

/**
 * Thrown when a transaction failed in a way that leaves its outcome unknown (or known to be aborted). The producer
 * must be discarded; the position read after the next take-over tells what became of it.
 */
export class UncertainCommitError extends Error {
  override readonly name = 'UncertainCommitError';
  readonly reason: Reason = 'UncertainCommit';
}

/** What an error's chain of causes says, outermost first, without stacks. For one log line or one status message. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : `: ${messageOf(error.cause)}`;
  return error.message.includes(cause.slice(2)) ? error.message : `${error.message}${cause}`;
}

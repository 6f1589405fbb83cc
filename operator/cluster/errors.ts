import type { IncomingMessage } from 'node:http';
import { messageOf } from '../../common/errors.ts';

/** How the API server answers a request that it did not carry out: a `Status` object. */
interface StatusAnswer {
  readonly message?: string;
  readonly reason?: string;
  readonly details?: { readonly causes?: readonly { readonly reason?: string }[] };
}

/**
 * Thrown for everything that goes wrong with the Kubernetes API, and by a directory that stands in for it with the same codes. Trying again later is right unless {@link isRefusal}.
 */
export class KubeError extends Error {
  override readonly name = 'KubeError';
  /** The HTTP status; 0 where there was no answer. */
  readonly code: number;
  readonly #answer: StatusAnswer;

  constructor(doing: string, code: number, answer: StatusAnswer, options?: ErrorOptions) {
    super(`${doing}: ${answer.message ?? `status ${code}`}`, options);
    this.code = code;
    this.#answer = answer;
  }

  static of(doing: string, { statusCode = 0 }: IncomingMessage, body: string): KubeError {
    return new KubeError(doing, statusCode, parse(body));
  }

  /** Wraps anything that was caught. An error of the connection means that there was no answer at all. */
  static from(doing: string, error: unknown): KubeError {
    if (error instanceof KubeError) return error;
    return new KubeError(doing, 0, { message: messageOf(error) }, { cause: error });
  }

  get isNotFound(): boolean {
    return this.code === 404;
  }

  get isAlreadyExists(): boolean {
    return this.code === 409 && this.#answer.reason === 'AlreadyExists';
  }

  get isConflict(): boolean {
    return this.code === 409 && this.#answer.reason !== 'AlreadyExists';
  }

  get isForbidden(): boolean {
    return this.code === 403;
  }

  /** Forbidden for want of a right (RBAC), and not by an admission policy, which answers with the same status. */
  get isMissingRight(): boolean {
    return this.isForbidden && /\bcannot \w+ resource "/.test(this.message);
  }

  /**
   * The server has understood the request and will refuse it however often it is repeated: for missing rights, for its
   * size, or because the server takes the object for invalid.
   */
  get isRefusal(): boolean {
    return [400, 403, 404, 405, 413, 422].includes(this.code);
  }

  /** The namespace is being deleted: nothing can be created there any more, and everything in it is removed anyway. */
  get isNamespaceTerminating(): boolean {
    return (
      this.isForbidden && (this.#answer.details?.causes ?? []).some(({ reason }) => reason === 'NamespaceTerminating')
    );
  }
}

function parse(body: string): StatusAnswer {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return { message: body.slice(0, 200) };
  }
}

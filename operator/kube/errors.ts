import type { IncomingMessage } from 'node:http';
import { messageOf } from '../../common/errors.ts';

/** What the API server says of a request it did not do: a `Status` object. */
interface Refusal {
  readonly message?: string;
  readonly reason?: string;
  readonly details?: { readonly causes?: readonly { readonly reason?: string }[] };
}

/** Thrown for everything that goes wrong with the Kubernetes API. Trying again later is right for all but a few. */
export class KubeError extends Error {
  override readonly name = 'KubeError';
  /** HTTP's; 0 where there was no answer. */
  readonly code: number;
  readonly #refusal: Refusal;

  constructor(doing: string, code: number, refusal: Refusal, options?: ErrorOptions) {
    super(`${doing}: ${refusal.message ?? `status ${code}`}`, options);
    this.code = code;
    this.#refusal = refusal;
  }

  static of(doing: string, { statusCode = 0 }: IncomingMessage, body: string): KubeError {
    return new KubeError(doing, statusCode, parse(body));
  }

  /** Whatever was caught: the connection's own errors are no answer at all. */
  static from(doing: string, error: unknown): KubeError {
    if (error instanceof KubeError) return error;
    return new KubeError(doing, 0, { message: messageOf(error) }, { cause: error });
  }

  get isNotFound(): boolean {
    return this.code === 404;
  }

  get isAlreadyExists(): boolean {
    return this.code === 409 && this.#refusal.reason === 'AlreadyExists';
  }

  get isConflict(): boolean {
    return this.code === 409 && this.#refusal.reason !== 'AlreadyExists';
  }

  /** A resource version that the server does not remember any more. */
  get isGone(): boolean {
    return this.code === 410;
  }

  get isForbidden(): boolean {
    return this.code === 403;
  }

  /** The server has understood, and will not do it however often it is asked: rights, size, what it takes for invalid. */
  get isRefusal(): boolean {
    return [400, 403, 404, 405, 413, 422].includes(this.code);
  }

  /** Nothing can be created any more, and everything in it goes by itself. */
  get isNamespaceTerminating(): boolean {
    return (
      this.isForbidden && (this.#refusal.details?.causes ?? []).some(({ reason }) => reason === 'NamespaceTerminating')
    );
  }
}

function parse(body: string): Refusal {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return { message: body.slice(0, 200) };
  }
}

import { type Failure, judge } from '../transmit/answer.ts';
import { type Capabilities, NO_CAPABILITIES, readCapabilities } from '../transmit/capabilities.ts';
import type { FhirClient } from './client.ts';

/** A server may be updated or set up differently at any time, so it is asked again after this. */
const MAX_AGE_MS = 3_600_000;

/** What a server says of itself, asked for before the first resource is sent, and again after an hour. */
export class KnownCapabilities {
  readonly #client: FhirClient;
  #known: Capabilities | undefined;
  #readAt = Number.NEGATIVE_INFINITY;

  constructor(client: FhirClient) {
    this.#client = client;
  }

  /**
   * @returns a failure where the server was never asked with success: to send without knowing could make resources twice. A server
   *   that refuses the question has no capabilities.
   */
  async get(signal: AbortSignal): Promise<Capabilities | Failure> {
    if (this.#known && performance.now() - this.#readAt < MAX_AGE_MS) return this.#known;
    const answer = await this.#client.metadata(signal);
    const verdict = judge(answer, Date.now());
    if (verdict.kind === 'failed') return this.#known ?? verdict;
    this.#known =
      verdict.kind === 'done' && answer.kind === 'answered' ? readCapabilities(answer.body) : NO_CAPABILITIES;
    this.#readAt = performance.now();
    return this.#known;
  }
}

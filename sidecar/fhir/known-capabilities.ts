import type { Logger } from '../../common/log.ts';
import { inTurns } from '../../common/turns.ts';
import { type Failure, judge } from '../transmit/answer.ts';
import { type Capabilities, NO_CAPABILITIES, readCapabilities } from '../transmit/capabilities.ts';
import { type FhirClient, MAX_METADATA } from './client.ts';

/** A server may be updated or set up differently at any time, so it is asked again after this. */
const MAX_AGE_MS = 3_600_000;

/** What a server says of itself, asked for before the first resource is sent, and again after an hour. */
export class KnownCapabilities {
  readonly #client: FhirClient;
  readonly #log: Logger;
  #known: Capabilities | undefined;
  #readAt = Number.NEGATIVE_INFINITY;

  constructor(client: FhirClient, log: Logger) {
    this.#client = client;
    this.#log = log;
  }

  /**
   * @returns a failure where the server was never asked with success: to send without knowing could make resources twice. A server
   *   that refuses the question, or answers what cannot be read, has no capabilities.
   */
  async get(signal: AbortSignal): Promise<Capabilities | Failure> {
    if (this.#known && performance.now() - this.#readAt < MAX_AGE_MS) return this.#known;
    const answer = await this.#client.metadata(signal);
    const verdict = judge(answer, Date.now());
    // No resource is sent before it is answered, so it is no fault of one.
    if (verdict.kind === 'failed') return this.#known ?? { ...verdict, scope: 'server' };
    this.#known =
      verdict.kind === 'done' && answer.kind === 'answered' ? await this.#read(answer.body) : NO_CAPABILITIES;
    this.#readAt = performance.now();
    return this.#known;
  }

  async #read(body: Buffer): Promise<Capabilities> {
    const capabilities = await inTurns(readCapabilities(body));
    if (capabilities === undefined) this.#log.warn({ bytesRead: body.length }, UNREADABLE);
    return capabilities ?? this.#known ?? NO_CAPABILITIES;
  }
}

const UNREADABLE =
  'what the FHIR server answers at /metadata is not read: it is no JSON object, is nested too deeply, or has more than ' +
  `${MAX_METADATA / 1024 / 1024} MiB. So no resource is created conditionally, and a POST that is repeated after a crash makes a ` +
  'second one. Let the server answer a CapabilityStatement in JSON of at most that size';

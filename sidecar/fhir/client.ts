import type { Agent as HttpAgent, IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import type { LoadedFhirServer } from '../../common/contract/fhir-servers.ts';
import { http } from '../../common/http.ts';
import { hungUpInHandshake, tlsFailure, verification } from '../../common/tls.ts';
import { VERSION } from '../../common/version.ts';
import type { Answer } from '../transmit/answer.ts';
import type { FhirRequest } from '../transmit/request.ts';

/** Requests that are under way to one server at most. */
export const CONNECTIONS = 8;
/** Servers and what is between close connections that were idle for some seconds, and a request may meet that. */
const IDLE_MS = 4_000;
/** As much of an answer as an OperationOutcome needs. */
const MAX_BODY = 64 * 1024;
/**
 * A CapabilityStatement has one entry for each type, with all its parameters. One that has all of FHIR R4 has 0.6 MB, and 0.9 MB
 * with line ends and indents; servers add what else they can do.
 */
export const MAX_METADATA = 4 * 1024 * 1024;

/**
 * Sends requests to one FHIR server, over a few connections of its own. TLS is verified with the server's own CA, or the system's
 * roots. A redirect is not followed: it would take our credentials, and a patient's resource, elsewhere.
 */
export class FhirClient {
  readonly #server: LoadedFhirServer;
  readonly #agent: HttpAgent | HttpsAgent;

  /** @throws InvalidInputError for a CA that holds no certificate */
  constructor(server: LoadedFhirServer) {
    this.#server = server;
    const { protocol, hostname } = new URL(server.url);
    const options = { keepAlive: true, maxSockets: CONNECTIONS, maxFreeSockets: 2, timeout: IDLE_MS };
    this.#agent =
      protocol === 'https:'
        ? new HttpsAgent({ ...options, ...verification(hostname.replace(/^\[|\]$/g, ''), server.ca) })
        : new http.Agent(options);
  }

  /** Sends a request. Never throws: whatever goes wrong is an answer. */
  send(request: FhirRequest, signal: AbortSignal): Promise<Answer> {
    return this.#send(request, MAX_BODY, signal);
  }

  /** Asks for the server's CapabilityStatement. */
  metadata(signal: AbortSignal): Promise<Answer> {
    const headers = { Accept: 'application/fhir+json' };
    const url = `${this.#server.url}/metadata`;
    return this.#send({ method: 'GET', url, headers, body: Buffer.alloc(0) }, MAX_METADATA, signal);
  }

  close(): void {
    this.#agent.destroy();
  }

  async #send(request: Sent, maxBody: number, signal: AbortSignal): Promise<Answer> {
    const timeout = AbortSignal.timeout(this.#server.timeoutSeconds * 1000);
    const either = AbortSignal.any([signal, timeout]);
    for (let attempt = 1; ; attempt += 1) {
      const outcome = await this.#exchange(request, maxBody, either);
      if (!('error' in outcome)) return outcome;
      if (timeout.aborted) return failed(`it has not answered within ${this.#server.timeoutSeconds} s`);
      // The server had closed an idle connection, which is no fault.
      if (outcome.wasIdle && attempt === 1 && !signal.aborted) continue;
      return describe(outcome.error);
    }
  }

  #exchange(
    { method, url, headers, body }: Sent,
    maxBody: number,
    signal: AbortSignal,
  ): Promise<Answer | { readonly error: Error; readonly wasIdle: boolean }> {
    const { authorization } = this.#server;
    const send = this.#agent instanceof HttpsAgent ? requestHttps : http.request;
    return new Promise((resolve) => {
      const request = send(url, {
        method,
        agent: this.#agent,
        signal,
        headers: {
          ...headers,
          'User-Agent': `lfh-sync/${VERSION}`,
          ...(method !== 'GET' && { 'Content-Length': body.length }),
          ...(authorization !== undefined && { Authorization: authorization }),
        },
      });
      let isAnswered = false;
      request.on('error', (error) => {
        if (!isAnswered) resolve({ error, wasIdle: request.reusedSocket && isReset(error) });
      });
      request.once('response', (response) => {
        isAnswered = true;
        void answerOf(response, maxBody).then(resolve);
      });
      // Nobody asked for another protocol. Without a listener Node closes the connection and tells nobody, not even at the time-out.
      request.once('upgrade', ({ statusCode = 0 }, socket) => {
        socket.destroy();
        resolve({ kind: 'answered', status: statusCode, retryAfter: undefined, body: Buffer.alloc(0) });
      });
      request.end(body);
    });
  }
}

interface Sent extends Omit<FhirRequest, 'method'> {
  readonly method: FhirRequest['method'] | 'GET';
}

/** Once there is a status, the server has decided; an answer that breaks off after that is short, and an answer. */
function answerOf(response: IncomingMessage, maxBody: number): Promise<Answer> {
  const chunks: Buffer[] = [];
  let size = 0;
  return new Promise((resolve) => {
    const done = (): void =>
      resolve({
        kind: 'answered',
        status: response.statusCode ?? 0,
        retryAfter: response.headers['retry-after'],
        body: Buffer.concat(chunks),
      });
    response.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= maxBody) chunks.push(chunk);
      else response.destroy();
    });
    response.on('error', () => undefined);
    response.once('close', done);
  });
}

function isReset(error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ECONNRESET' || code === 'EPIPE';
}

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'it refuses the connection',
  ECONNRESET: 'it closed the connection without an answer',
  EPIPE: 'it closed the connection without an answer',
  ENOTFOUND: 'its name is not known',
  EAI_AGAIN: 'its name cannot be looked up now',
  ETIMEDOUT: 'no connection within the time that the system allows',
  EHOSTUNREACH: 'there is no way to it',
  ENETUNREACH: 'there is no way to it',
};

/** What went wrong, without a word of the server's or of ours: an error of Node may quote what it tripped over. */
function describe(error: Error): Answer {
  const failure = tlsFailure(error);
  if (failure) return { kind: 'failed', reason: failure.reason, detail: `${failure.what} (${failure.code})` };
  if (hungUpInHandshake(error)) return failed('it closed the connection in the middle of the TLS handshake');
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code !== 'string' || !/^\w{1,60}$/.test(code)) return failed('it cannot be asked');
  const words = WORDS[code] ?? (code.startsWith('HPE_') ? 'what it answers is not HTTP' : 'it cannot be asked');
  return failed(`${words} (${code})`);
}

function failed(detail: string): Answer {
  return { kind: 'failed', reason: 'Unreachable', detail };
}

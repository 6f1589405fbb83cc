import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { ServerCertificate } from './certificates.ts';

/** What the stand-in does with one request, instead of doing it. */
export type Behaviour =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: object }
  /** Does it after so long. */
  | { readonly afterMs: number }
  /** Never answers. */
  | 'hang'
  /** Does it, and closes the connection in the middle of the answer's head. */
  | 'cut-head'
  /** Does it, and closes the connection in the middle of the answer's body. */
  | 'cut-body';

export interface FhirRequestSeen {
  readonly line: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

interface StoredResource {
  readonly resourceType: string;
  readonly id: string;
  readonly meta?: {
    readonly versionId?: string;
    readonly tag?: readonly { readonly system: string; readonly code: string }[];
  };
}

export interface FhirServerOptions {
  /** Absent: without TLS. */
  readonly certificate?: ServerCertificate;
  /** Whether its CapabilityStatement offers conditional create; false: it has no CapabilityStatement. */
  readonly conditionalCreate?: boolean;
  /** What is answered to the question for its CapabilityStatement where it has none; absent: 404. */
  readonly capabilityStatus?: number;
  /** How many bytes its CapabilityStatement has at least. */
  readonly capabilityBytes?: number;
  /** How long each answer takes. */
  readonly delayMs?: number;
  /** The address at which it listens; 127.0.0.1 unless others than this machine are to reach it. */
  readonly host?: string;
}

/**
 * A FHIR server for tests: it stores what it is sent, creates only once what is conditional, and misbehaves as told. It records all
 * requests, but those for its CapabilityStatement.
 */
export class FhirServer {
  readonly requests: FhirRequestSeen[] = [];
  readonly stored: StoredResource[] = [];
  /** All that it has ever taken, in this order: also what has been replaced since, and what it had made already. */
  readonly taken: StoredResource[] = [];
  /** What is done with the next requests, in turn; after that all goes well. */
  readonly next: Behaviour[] = [];
  /** What is done with a request that has this text in its body, each time. */
  readonly always = new Map<string, Behaviour>();
  /** What is done with all of them. */
  everything: Behaviour | undefined;
  delayMs: number;
  /** How many requests were under way at a time. */
  most = 0;
  #underWay = 0;
  readonly #options: FhirServerOptions;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #port = 0;

  private constructor(options: FhirServerOptions) {
    this.#options = options;
    this.delayMs = options.delayMs ?? 0;
  }

  static async start(options: FhirServerOptions = {}): Promise<FhirServer> {
    const server = new FhirServer(options);
    await server.start();
    return server;
  }

  /** `https://127.0.0.1:1234/fhir` */
  get url(): string {
    return `${this.#options.certificate ? 'https' : 'http'}://${this.#host}:${this.#port}/fhir`;
  }

  /** Listens on the same port again. */
  async start(): Promise<void> {
    const respond = (request: IncomingMessage, response: ServerResponse): void => {
      void this.#respond(request, response).catch((error: unknown) => {
        // Where the client is killed, or this server is stopped, a request ends in the middle, and that is all.
        if (request.complete) throw error;
      });
    };
    const { certificate } = this.#options;
    const server = certificate ? createHttpsServer({ ...certificate }, respond) : createHttpServer(respond);
    for (const event of ['connection', 'secureConnection']) {
      server.on(event, (socket: Socket) => {
        this.#sockets.add(socket);
        socket.once('close', () => this.#sockets.delete(socket));
      });
    }
    server.listen(this.#port, this.#host);
    await once(server, 'listening');
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  get #host(): string {
    return this.#options.host ?? '127.0.0.1';
  }

  /** From now on it refuses connections, like a server that is down. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    const closed = once(server, 'close');
    server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** The bodies that it was sent. */
  get bodies(): string[] {
    return this.requests.map(({ body }) => body);
  }

  async #respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (request.url?.endsWith('/metadata')) return this.#capabilities(response);
    const body = Buffer.concat(chunks).toString('utf8');
    this.requests.push({
      line: `${request.method} ${request.url} HTTP/${request.httpVersion}`,
      headers: pairs(request.rawHeaders),
      body,
    });
    this.#underWay += 1;
    this.most = Math.max(this.most, this.#underWay);
    await new Promise((resolve) => setTimeout(resolve, this.delayMs));
    this.#underWay -= 1;
    const matching = [...this.always].find(([text]) => body.includes(text))?.[1];
    this.#behave(this.next.shift() ?? matching ?? this.everything, request, body, response);
  }

  #behave(behaviour: Behaviour | undefined, request: IncomingMessage, body: string, response: ServerResponse): void {
    if (behaviour === 'hang') return;
    if (typeof behaviour === 'object' && 'afterMs' in behaviour) {
      setTimeout(() => this.#behave(undefined, request, body, response), behaviour.afterMs);
      return;
    }
    if (typeof behaviour === 'object') {
      answer(response, behaviour.status, behaviour.body ?? {}, behaviour.headers);
      return;
    }
    const { status, resource } = this.#store(request, body);
    if (behaviour === 'cut-head') {
      request.socket.end(`HTTP/1.1 ${status} Created\r\nLocat`);
    } else if (behaviour === 'cut-body') {
      request.socket.end(`HTTP/1.1 ${status} Created\r\nContent-Length: 1000\r\n\r\n{"resourceType"`);
    } else answer(response, status, resource);
  }

  #store(request: IncomingMessage, body: string): { status: number; resource: StoredResource } {
    const resource = JSON.parse(body) as StoredResource;
    this.taken.push(resource);
    if (request.method !== 'POST') {
      const known = this.stored.findIndex(
        ({ resourceType, id }) => resourceType === resource.resourceType && id === resource.id,
      );
      if (known >= 0) this.stored.splice(known, 1);
      this.stored.push(resource);
      return { status: known >= 0 ? 200 : 201, resource };
    }
    const condition = request.headers['if-none-exist'];
    const [system, code] = new URLSearchParams(String(condition ?? '')).get('_tag')?.split('|') ?? [];
    const isTagged = ({ meta }: StoredResource): boolean | undefined =>
      meta?.tag?.some((tag) => tag.code === code && tag.system === system);
    const found = this.stored.find(isTagged);
    if (found) return { status: 200, resource: found };
    const created = { ...resource, id: `made-${this.stored.length + 1}` };
    this.stored.push(created);
    return { status: 201, resource: created };
  }

  #capabilities(response: ServerResponse): void {
    const { conditionalCreate, capabilityStatus = 404, capabilityBytes = 0 } = this.#options;
    if (!conditionalCreate) return answer(response, capabilityStatus, {});
    const resource = ['Patient', 'Observation', 'Encounter'].map((type) => ({ type, conditionalCreate: true }));
    const description = 'x'.repeat(capabilityBytes);
    answer(response, 200, { resourceType: 'CapabilityStatement', description, rest: [{ mode: 'server', resource }] });
  }
}

function answer(response: ServerResponse, status: number, body: object, headers: object = {}): void {
  response.writeHead(status, { 'content-type': 'application/fhir+json', ...headers }).end(JSON.stringify(body));
}

function pairs(raw: readonly string[]): [string, string][] {
  return raw.flatMap((name, index): [string, string][] => (index % 2 === 0 ? [[name, raw[index + 1] ?? '']] : []));
}

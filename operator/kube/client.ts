import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest, type RequestOptions } from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import { Limiter } from '../../common/limiter.ts';
import { type JsonPatchStep, type Kind, type KubeObject, kindOf, pathOf } from '../api/objects.ts';
import type { Cluster, Listing, Selection, WatchEvent } from '../cluster/cluster.ts';
import { KubeError } from '../cluster/errors.ts';
import { linesOf, textOf } from './response.ts';

/** The field manager that owns what we write (server-side apply). */
const FIELD_MANAGER = 'lfh-sync';

/** Every object that is read here has a DNS name. */
const OBJECT_NAME = /^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/;

const REQUEST_TIMEOUT_MS = 15_000;
/** After this time the API server ends a watch. */
const WATCH_SECONDS = 300;
/** Bookmarks come about every minute, so a watch that is silent for longer than this is a dead connection. */
const WATCH_SILENCE_MS = 120_000;
/**
 * How many objects of a list are asked for at once. One may have 1 MiB, and who may write objects into one of many namespaces must
 * not be able to exhaust the memory that all of them share.
 */
const PAGE = 8;
/**
 * How long an idle connection is kept for the next request. An API server and what stands before it keep one for longer, so that it
 * is not closed just when it is used again.
 */
const IDLE_MS = 5_000;
/** How many such pages are asked for at once. There is a list of each kind in each namespace. */
const PAGES_AT_ONCE = 4;

/**
 * How many writes are under way at once. Hundreds of statuses and events may be due in one moment; where they were all sent to an API
 * server that is short of time, the lease, which is renewed between them by a client of its own, would be late and so be lost.
 */
const WRITES_AT_ONCE = 4;

/** Of a request, behind its method and path. */
type Rest = [query?: Readonly<Record<string, string>>, body?: unknown, type?: string];

/**
 * The part of the Kubernetes API that is used here. It takes and returns plain JSON, so that what a watch delivers and
 * what a read returns look the same; the library's own object API turns times into Dates and knows no status
 * subresource. The library decides where the server is and how to sign in there.
 *
 * Every method throws KubeError with the server's own message.
 */
export class KubeClient implements Cluster {
  readonly #config: KubeConfig;
  readonly #mayWrite: () => boolean;
  readonly #keepsConnections: boolean;
  readonly #dryRun: boolean;
  readonly #agents = new WeakMap<Agent, Agent>();
  readonly #pages = new Limiter(PAGES_AT_ONCE);
  readonly #writes = new Limiter(WRITES_AT_ONCE);

  /**
   * @param mayWrite is asked just before each write; without it nothing that would change something is sent
   * @param keepsConnections whether requests that follow each other share connections, so that hundreds of writes are not hundreds of
   *   TLS handshakes. Where an API server vanishes without closing them, each costs a time-out: not for what must be in time
   * @param dryRun whether the API server only judges what would be written, and answers as if it had done it
   */
  constructor(config: KubeConfig, mayWrite: () => boolean = () => true, keepsConnections = false, dryRun = false) {
    this.#config = config;
    this.#mayWrite = mayWrite;
    this.#keepsConnections = keepsConnections;
    this.#dryRun = dryRun;
  }

  async get<Value extends KubeObject>(kind: Kind, namespace: string, name: string): Promise<Value | undefined> {
    // The name may be anything that somebody wrote into a spec, and `.` would be a path of its own, which returns a
    // list.
    if (!OBJECT_NAME.test(name)) return undefined;
    try {
      return (await this.#request('GET', pathOf(kind, namespace, name))) as Value;
    } catch (error) {
      if (error instanceof KubeError && error.isNotFound) return undefined;
      throw error;
    }
  }

  async list<Value extends KubeObject>(kind: Kind, namespace?: string, labelSelector = ''): Promise<Listing<Value>> {
    const items: Value[] = [];
    let resourceVersion = '';
    for await (const page of this.pages<Value>(kind, namespace, { labelSelector })) {
      items.push(...page.items);
      resourceVersion = page.resourceVersion;
    }
    return { items, resourceVersion };
  }

  async *pages<Value extends KubeObject>(
    kind: Kind,
    namespace: string | undefined,
    { labelSelector = '', fieldSelector = '' }: Selection,
  ): AsyncGenerator<Listing<Value>> {
    let next: string | undefined;
    do {
      const query = {
        limit: String(PAGE),
        ...(labelSelector !== '' && { labelSelector }),
        ...(fieldSelector !== '' && { fieldSelector }),
        ...(next !== undefined && { continue: next }),
      };
      const page = await this.#pages.run(() => this.#request('GET', pathOf(kind, namespace), query));
      const answer = page as { items: Value[]; metadata: { resourceVersion: string; continue?: string } };
      // The items of a list have neither apiVersion nor kind.
      const items = answer.items.map((item) => ({ ...item, apiVersion: kind.apiVersion, kind: kind.kind }));
      yield { items, resourceVersion: answer.metadata.resourceVersion };
      next = answer.metadata.continue;
    } while (next !== undefined && next !== '');
  }

  /**
   * What the API server answers that is no object, such as its version or the log of a container.
   *
   * @param path with its query's fields in `query`
   * @returns also the time by its own clock when it answered, in milliseconds since 1970 and in whole seconds
   */
  async text(
    path: string,
    query: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly text: string; readonly at: number }> {
    const { text, headers } = await this.#answer('GET', path, query);
    return { text, at: Date.parse(headers.date ?? '') };
  }

  async create<Value extends KubeObject>(object: Value): Promise<Value> {
    const path = pathOf(kindOf(object), object.metadata.namespace);
    return (await this.#request('POST', path, { fieldManager: FIELD_MANAGER }, object)) as Value;
  }

  async replace<Value extends KubeObject>(object: Value): Promise<Value> {
    const path = pathOf(kindOf(object), object.metadata.namespace, object.metadata.name);
    return (await this.#request('PUT', path, { fieldManager: FIELD_MANAGER }, object)) as Value;
  }

  apply<Value extends KubeObject>(object: Value, subresource: '' | '/status' = ''): Promise<Value> {
    return this.applyAs(FIELD_MANAGER, object, subresource);
  }

  async remove(
    { apiVersion, kind, metadata: { name, namespace } }: KubeObject,
    fields: object,
    subresource = '',
  ): Promise<void> {
    const path = pathOf(kindOf({ apiVersion, kind, metadata: { name } }), namespace, name) + subresource;
    await this.#merge(FIELD_MANAGER, path, fields);
  }

  /**
   * Changes single fields, as `kubectl patch --type=merge` does.
   *
   * @param fields a merge patch: `null` removes a field, and a list replaces the whole list
   */
  async merge<Value extends KubeObject>(
    manager: string,
    kind: Kind,
    namespace: string,
    name: string,
    fields: object,
  ): Promise<Value> {
    return (await this.#merge(manager, pathOf(kind, namespace, name), fields)) as Value;
  }

  #merge(manager: string, path: string, fields: object): Promise<unknown> {
    return this.#request('PATCH', path, { fieldManager: manager }, fields, 'application/merge-patch+json');
  }

  async applyAs<Value extends KubeObject>(manager: string, object: Value, subresource = ''): Promise<Value> {
    const path = pathOf(kindOf(object), object.metadata.namespace, object.metadata.name) + subresource;
    return (await this.#request('PATCH', path, { fieldManager: manager, force: 'true' }, object)) as Value;
  }

  async patch(object: KubeObject, steps: readonly JsonPatchStep[]): Promise<void> {
    const path = pathOf(kindOf(object), object.metadata.namespace, object.metadata.name);
    await this.#request('PATCH', path, { fieldManager: FIELD_MANAGER }, steps, 'application/json-patch+json');
  }

  async delete(kind: Kind, namespace: string, name: string): Promise<void> {
    try {
      await this.#request('DELETE', pathOf(kind, namespace, name));
    } catch (error) {
      if (!(error instanceof KubeError && error.isNotFound)) throw error;
    }
  }

  async watch(
    kind: Kind,
    namespace: string | undefined,
    resourceVersion: string,
    onEvent: (event: WatchEvent) => void,
    signal: AbortSignal,
    fieldSelector = '',
  ): Promise<void> {
    const query = {
      ...(fieldSelector !== '' && { fieldSelector }),
      watch: 'true',
      allowWatchBookmarks: 'true',
      timeoutSeconds: String(WATCH_SECONDS),
      resourceVersion,
    };
    const path = pathOf(kind, namespace);
    const response = await this.#open('GET', path, query, undefined, {
      signal,
      silenceMs: WATCH_SILENCE_MS,
      type: 'application/json',
    });
    try {
      if (response.statusCode !== 200) throw KubeError.of(`watch ${path}`, response, await textOf(response));
      for await (const line of linesOf(response)) {
        const event = JSON.parse(line) as WatchEvent;
        if (event.type === 'ERROR') throw new KubeError(`watch ${path}`, event.object.code ?? 500, event.object);
        onEvent(event);
      }
    } catch (error) {
      if (!signal.aborted) throw KubeError.from(`watch ${path}`, error);
    } finally {
      response.destroy();
    }
  }

  #request(method: string, path: string, ...rest: Rest): Promise<unknown> {
    const send = (): Promise<unknown> => this.#send(method, path, ...rest);
    return method === 'GET' ? send() : this.#writes.run(send);
  }

  async #send(method: string, path: string, ...rest: Rest): Promise<unknown> {
    const { text } = await this.#answer(method, path, ...rest);
    try {
      return JSON.parse(text);
    } catch (error) {
      throw KubeError.from(`${method} ${path}`, error);
    }
  }

  async #answer(
    method: string,
    path: string,
    ...[query = {}, body, type]: Rest
  ): Promise<{ readonly text: string; readonly headers: IncomingMessage['headers'] }> {
    const signal = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
    const doing = `${method} ${path}`;
    if (method !== 'GET' && !this.#mayWrite()) {
      throw new KubeError(doing, 0, { message: 'not done, since another operator may lead by now' });
    }
    try {
      const asked = this.#dryRun && method !== 'GET' ? { ...query, dryRun: 'All' } : query;
      const response = await this.#open(method, path, asked, body, { signal, silenceMs: REQUEST_TIMEOUT_MS, type });
      const text = await textOf(response);
      const { statusCode = 0, headers } = response;
      if (statusCode < 200 || statusCode > 299) throw KubeError.of(doing, response, text);
      return { text, headers };
    } catch (error) {
      throw KubeError.from(doing, error);
    }
  }

  /** The library's agent makes a connection for each request. */
  #keepingAgent(agent: Agent): Agent {
    const keeping =
      this.#agents.get(agent) ?? new Agent({ ...agent.options, keepAlive: true, timeout: IDLE_MS, scheduling: 'lifo' });
    this.#agents.set(agent, keeping);
    return keeping;
  }

  async #open(
    method: string,
    path: string,
    query: Readonly<Record<string, string>>,
    body: unknown,
    { signal, silenceMs, type = typeOf(method) }: { signal: AbortSignal; silenceMs: number; type?: string | undefined },
  ): Promise<IncomingMessage> {
    const server = this.#config.getCurrentCluster()?.server;
    if (server === undefined) throw new Error('the kubeconfig names no cluster');
    const url = new URL(server.replace(/\/$/, '') + path);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const options: RequestOptions = { method, signal, timeout: silenceMs };
    await this.#config.applyToHTTPSOptions(options);
    // The one for a proxy is of another class, and stays.
    if (this.#keepsConnections && options.agent instanceof Agent) options.agent = this.#keepingAgent(options.agent);
    const headers = {
      ...(options.headers as Record<string, string>),
      accept: 'application/json',
      'content-type': type,
    };
    const request = httpsRequest(url, { ...options, headers });
    request.on('timeout', () => request.destroy(new Error(`no answer for ${silenceMs / 1000} s`)));
    request.end(body === undefined ? undefined : JSON.stringify(body));
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    // An error after this point reaches the reader of the response.
    request.on('error', (error) => response.destroy(error));
    return response;
  }
}

function typeOf(method: string): string {
  return method === 'PATCH' ? 'application/apply-patch+yaml' : 'application/json';
}

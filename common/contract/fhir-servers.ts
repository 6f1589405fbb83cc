import { booleanAt, numberAt, objectAt, textAt } from './json-fields.ts';
import { listOf, parseJson, type Shape, ShapeError } from './shapes.ts';

/** The FHIR servers that replayed resources are transmitted to: how the settings name them. */

/** When a resource that could not be delivered is tried again, and when it is given up. */
export interface RetrySettings {
  /** A resource that was replayed longer ago than this, and fails again, is given up. */
  readonly giveUpAfterSeconds: number;
  /** A resource that was tried so often is given up. Absent: only its age counts. */
  readonly maxAttempts?: number;
  /** The longest time between two attempts. */
  readonly maxDelaySeconds: number;
}

/** A server in `LFH_SYNC_FHIR_SERVERS`. Its URL, without user and password, is what it is known by everywhere. */
export interface FhirServerSettings {
  readonly url: string;
  readonly appendResourceType: boolean;
  readonly userFile?: string;
  readonly passwordFile?: string;
  readonly tokenFile?: string;
  readonly caFile?: string;
  readonly timeoutSeconds: number;
  readonly retry: RetrySettings;
}

/** A server with the content of the files that its settings name. */
export interface LoadedFhirServer extends FhirServerSettings {
  /** The value of the header Authorization. Secret: it is never logged, reported or written. */
  readonly authorization?: string;
  /** The CA in PEM; absent: the system's roots count. */
  readonly ca?: string;
  /** Why nothing can be transmitted to this server with these settings; the others are not affected. */
  readonly problem?: string;
}

export const RETRY_DEFAULTS: RetrySettings = { giveUpAfterSeconds: 259_200, maxDelaySeconds: 300 };
export const TIMEOUT_SECONDS = 30;

/** Every field of a server: what it means, and its default unless it is required. */
export const FHIR_SERVER_FIELDS: Readonly<
  Record<keyof FhirServerSettings, { readonly need: string; readonly meaning: string }>
> = {
  url: {
    need: 'required',
    meaning:
      'The base of the server, `https://…` or `http://…`, without a user, a password, a query or a fragment. The server is known by it in the status, the metrics and Kafka.',
  },
  appendResourceType: {
    need: '`true`',
    meaning:
      "Whether the resource's type, and for PUT and PATCH its id, follow the URL, as with connect's `CONNECT_GENERATE_FHIR_SERVER_URL`. With `false` everything is sent to the URL by POST.",
  },
  userFile: { need: 'no user', meaning: 'File in the settings directory with the user for Basic authentication.' },
  passwordFile: { need: 'no password', meaning: 'File with the password of that user.' },
  tokenFile: { need: 'no token', meaning: 'File with a bearer token. Without the other two.' },
  caFile: {
    need: "the system's roots",
    meaning: 'PEM file in the settings directory with the CA of this server. It vouches for this server only.',
  },
  timeoutSeconds: { need: `\`${TIMEOUT_SECONDS}\``, meaning: 'The longest time that one request may take.' },
  retry: {
    need: 'see below',
    meaning:
      'When what could not be delivered is tried again: `{"giveUpAfterSeconds": 259200, "maxDelaySeconds": 300}`, which are the defaults, and `maxAttempts`, which has none.',
  },
};

const FILE = /^(?!\.\.?$)[A-Za-z0-9._-]+$/;
const MAX_URL = 512;
const WEEK_SECONDS = 604_800;

/** The list of servers: JSON, each with the fields of {@link FhirServerSettings}. */
export const fhirServerList: Shape<readonly FhirServerSettings[]> = {
  expected: 'a JSON list of FHIR servers, each {"url", …}; see "A FHIR server" below',
  encode: (servers) => JSON.stringify(servers),
  decode: (value) => {
    const list = parseJson(value);
    if (!Array.isArray(list)) throw new ShapeError('', 'expected a JSON list');
    const servers = list.map((entry, index) => decodeServer(entry, `[${index}]`));
    for (const [index, { url }] of servers.entries()) {
      const first = servers.findIndex((other) => other.url === url);
      if (first !== index) throw new ShapeError(`[${index}].url`, `is the same as that of [${first}]`);
    }
    return servers;
  },
};

/**
 * The URL of a FHIR server in the one form that it is known by.
 *
 * @returns undefined where the text is not the URL of a server, or has a user, a password, a query or a fragment in it
 */
export function canonicalFhirUrl(text: string): string | undefined {
  if (text.length > MAX_URL || !/^https?:\/\/[!-~]+$/.test(text) || /[?#@]/.test(text)) return undefined;
  if (!URL.canParse(text)) return undefined;
  const { protocol, host, pathname } = new URL(text);
  return `${protocol}//${host}${pathname.replace(/\/+$/, '')}`;
}

/**
 * Reads the servers of connect's own setting, in which a URL may have a user and a password.
 *
 * @param urls that {@link connectFhirUrls} has decoded
 * @param appendResourceType connect's `CONNECT_GENERATE_FHIR_SERVER_URL`
 */
export function serversOfConnect(urls: readonly string[], appendResourceType: boolean): LoadedFhirServer[] {
  const servers = new Map<string, LoadedFhirServer>();
  for (const text of urls) {
    const { url, authorization } = readConnectUrl(text, '');
    const server = { url, appendResourceType, timeoutSeconds: TIMEOUT_SECONDS, retry: RETRY_DEFAULTS };
    servers.set(url, { ...server, ...(authorization !== undefined && { authorization }) });
  }
  return [...servers.values()];
}

const urlList = listOf(/^https?:\/\/[!-~]+$/, 'https://[user:password@]host/path');

/** connect's own list of servers. A message about it never quotes a URL, because a password may be in it. */
export const connectFhirUrls: Shape<readonly string[]> = {
  ...urlList,
  decode: (value) => {
    const urls = urlList.decode(value);
    for (const [index, url] of urls.entries()) readConnectUrl(url, `[${index}]`);
    return urls;
  },
};

function readConnectUrl(text: string, path: string): { readonly url: string; readonly authorization?: string } {
  if (!URL.canParse(text)) throw new ShapeError(path, 'expected a URL such as https://user:password@host/fhir');
  const parsed = new URL(text);
  const { username, password } = parsed;
  parsed.username = '';
  parsed.password = '';
  const url = canonicalFhirUrl(parsed.href);
  if (url === undefined) throw new ShapeError(path, 'expected a URL without a query or a fragment');
  return username === '' && password === ''
    ? { url }
    : { url, authorization: basicAuthorization(decoded(username), decoded(password)) };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    // A lone % stands for itself, as in connect's client.
    return part;
  }
}

/** The header Authorization for a user and a password. */
export function basicAuthorization(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`, 'utf8').toString('base64')}`;
}

function decodeServer(entry: unknown, path: string): FhirServerSettings {
  const fields = objectAt(entry, path, Object.keys(FHIR_SERVER_FIELDS));
  const fileAt = (name: 'userFile' | 'passwordFile' | 'tokenFile' | 'caFile'): object =>
    fields[name] === undefined
      ? {}
      : { [name]: textAt(fields[name], `${path}.${name}`, FILE, 'the name of a file in the settings directory') };
  const { appendResourceType, timeoutSeconds, retry } = fields;
  if (fields.tokenFile !== undefined && (fields.userFile !== undefined || fields.passwordFile !== undefined)) {
    throw new ShapeError(path, 'has a tokenFile beside a userFile or a passwordFile; only one of both is used');
  }
  if ((fields.userFile === undefined) !== (fields.passwordFile === undefined)) {
    throw new ShapeError(path, 'needs userFile and passwordFile together');
  }
  return {
    url: urlAt(fields.url, `${path}.url`),
    appendResourceType:
      appendResourceType === undefined ? true : booleanAt(appendResourceType, `${path}.appendResourceType`),
    ...fileAt('userFile'),
    ...fileAt('passwordFile'),
    ...fileAt('tokenFile'),
    ...fileAt('caFile'),
    timeoutSeconds:
      timeoutSeconds === undefined ? TIMEOUT_SECONDS : numberAt(timeoutSeconds, `${path}.timeoutSeconds`, 1, 300),
    retry: retry === undefined ? RETRY_DEFAULTS : retryAt(retry, `${path}.retry`),
  };
}

function urlAt(value: unknown, path: string): string {
  const url = typeof value === 'string' ? canonicalFhirUrl(value) : undefined;
  if (url !== undefined) return url;
  throw new ShapeError(path, 'expected https://host/path or http://host/path, without a user, a password or a query');
}

function retryAt(value: unknown, path: string): RetrySettings {
  const fields = objectAt(value, path, ['giveUpAfterSeconds', 'maxAttempts', 'maxDelaySeconds']);
  const { giveUpAfterSeconds, maxDelaySeconds } = { ...RETRY_DEFAULTS, ...fields };
  return {
    giveUpAfterSeconds: numberAt(giveUpAfterSeconds, `${path}.giveUpAfterSeconds`, 1, 52 * WEEK_SECONDS),
    ...(fields.maxAttempts !== undefined && {
      maxAttempts: numberAt(fields.maxAttempts, `${path}.maxAttempts`, 1, 1_000_000),
    }),
    maxDelaySeconds: numberAt(maxDelaySeconds, `${path}.maxDelaySeconds`, 1, 3600),
  };
}

import { protocolError } from './errors.ts';

/** What we use of what a server says about itself. */
export interface ServerInfo {
  /** Undefined where it is not a text. */
  readonly version: string | undefined;
  /** What the server wants to have signed; undefined where it wants nothing. */
  readonly nonce: string | undefined;
  readonly takesHeaders: boolean;
  readonly offersTls: boolean;
}

/** Reads what follows `INFO`. @throws ConnectionError where it is no JSON object */
export function readServerInfo(json: string): ServerInfo {
  const { version, nonce, headers, tls_required, tls_available } = parseObject(json);
  return {
    version: typeof version === 'string' ? version : undefined,
    nonce: typeof nonce === 'string' ? nonce : undefined,
    takesHeaders: headers === true,
    offersTls: tls_required === true || tls_available === true,
  };
}

function parseObject(json: string): Readonly<Record<string, unknown>> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    // The engine's error quotes what it could not read.
  }
  if (typeof parsed !== 'object' || parsed === null) throw protocolError();
  return parsed as Record<string, unknown>;
}

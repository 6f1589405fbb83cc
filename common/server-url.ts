import { isIP } from 'node:net';
import { InvalidInputError } from './errors.ts';

/** URLs of NATS servers: how they are written, and the one place where they are read. */

/** The port when the URL has none, as in NATS clients. */
export const DEFAULT_PORT = 4222;

const HOST_AND_PORT = String.raw`(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?`;
/** A server of a peer. It needs TLS, because patients' messages must never cross to another site in the clear. */
export const PEER_SERVER = new RegExp(`^tls://${HOST_AND_PORT}$`);
/** A server of the node's local NATS, which may be without TLS. */
export const LOCAL_SERVER = new RegExp(`^(?:tls|nats)://${HOST_AND_PORT}$`);

/** One nats-server, as its URL names it. */
export interface ServerAddress {
  readonly secure: boolean;
  /** A name or an IP address, without brackets. */
  readonly host: string;
  readonly port: number;
}

/**
 * Reads `tls://host[:port]` or `nats://host[:port]`; the port is {@link DEFAULT_PORT} unless given.
 *
 * | URL | read as |
 * | --- | --- |
 * | `tls://nats.example.org` | secure, `nats.example.org`, 4222 |
 * | `nats://[fd00::1]:4223` | not secure, `fd00::1`, 4223 |
 * | `https://…`, `tls://user@…`, `tls://host/path`, a port of 99999 | undefined |
 *
 * @returns undefined for anything else, instead of an error: the API server accepts texts that cannot be URLs, and one node with
 *   such a text must not stop the others
 */
export function parseServerUrl(server: string): ServerAddress | undefined {
  if (!URL.canParse(server)) return undefined;
  const { protocol, hostname, port, username, password, pathname } = new URL(server);
  const isNats = protocol === 'tls:' || protocol === 'nats:';
  if (!isNats || hostname === '' || username !== '' || password !== '' || !/^\/?$/.test(pathname)) return undefined;
  return {
    secure: protocol === 'tls:',
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? DEFAULT_PORT : Number(port),
  };
}

/** As {@link parseServerUrl}. @throws InvalidInputError, which never quotes the URL, since a password may be in it */
export function requireServerUrl(server: string): ServerAddress {
  const address = parseServerUrl(server);
  if (address) return address;
  throw new InvalidInputError('a NATS server must be written as tls://host:port, without a user or a password in it');
}

/** `host:port`, for messages and for the client library. */
export function hostAndPort({ host, port }: Pick<ServerAddress, 'host' | 'port'>): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Takes {@link hostAndPort} apart. An IPv6 address has colons of its own, so only the last one separates. */
export function splitHostPort(text: string): Pick<ServerAddress, 'host' | 'port'> {
  const colon = text.lastIndexOf(':');
  return { host: text.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(text.slice(colon + 1)) };
}

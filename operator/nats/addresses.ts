import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { InvalidSpecError, TransientError } from '../../common/errors.ts';
import { DEFAULT_PORT } from '../plan/endpoints.ts';

/** One nats-server, as its URL names it. */
export interface ServerAddress {
  readonly secure: boolean;
  /** A name or an IP address, without brackets. */
  readonly host: string;
  readonly port: number;
}

const LOOKUP_TIMEOUT_MS = 5000;

/**
 * Reads `tls://host[:port]` or `nats://host[:port]`; the port is 4222 unless given.
 *
 * @throws InvalidSpecError for anything else; never quotes it, since a password may be in it
 */
export function parseServer(server: string): ServerAddress {
  const url = URL.canParse(server) ? new URL(server) : undefined;
  const known = url?.protocol === 'tls:' || url?.protocol === 'nats:';
  if (
    !url ||
    !known ||
    url.hostname === '' ||
    url.username !== '' ||
    url.password !== '' ||
    !/^\/?$/.test(url.pathname)
  ) {
    throw new InvalidSpecError('a NATS server must be written as tls://host:port, without a user or a password in it');
  }
  return {
    secure: url.protocol === 'tls:',
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? DEFAULT_PORT : Number(url.port),
  };
}

/** `host:port`, for messages and for the client library. */
export function hostAndPort({ host, port }: Pick<ServerAddress, 'host' | 'port'>): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * All addresses behind a name: each pod's, where it is that of a headless Service. An address stands for itself.
 *
 * Those of one family only, since the same servers have both: an external name with an IPv6 address that nothing here
 * can reach would otherwise count as a server that is down.
 *
 * @throws TransientError where DNS knows no such name, or does not answer
 */
export async function addressesOf(host: string): Promise<string[]> {
  if (isIP(host)) return [host];
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('no answer')), LOOKUP_TIMEOUT_MS);
  });
  try {
    const found = await Promise.race([lookup(host, { all: true }), late]);
    const first = found.filter(({ family }) => family === 4);
    return [...new Set((first.length > 0 ? first : found).map(({ address }) => address))].sort();
  } catch (cause) {
    const unknown = (cause as { code?: unknown }).code === 'ENOTFOUND';
    const why = unknown ? 'is not known to DNS: check the name' : 'cannot be looked up: DNS does not answer';
    throw new TransientError('Unreachable', `${host} ${why}`, { cause });
  } finally {
    clearTimeout(timer);
  }
}

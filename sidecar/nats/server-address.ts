import { InvalidSpecError } from '../../common/errors.ts';

/** One NATS server, as its URL names it. */
export interface ServerAddress {
  readonly secure: boolean;
  readonly host: string;
  readonly port: number;
  /** `host:port`, for messages and for the client library. */
  readonly text: string;
}

/**
 * Reads `tls://host[:port]` or `nats://host[:port]`; the port is 4222 unless given.
 *
 * @throws InvalidSpecError for anything else; the URL is not quoted where it holds a password
 */
export function parseServer(server: string): ServerAddress {
  let url: URL;
  try {
    url = new URL(server);
  } catch (cause) {
    throw new InvalidSpecError('a server must be written as tls://host:port', { cause });
  }
  if (url.username !== '' || url.password !== '') {
    throw new InvalidSpecError('a server must be written as tls://host:port, without a user or a password in it');
  }
  const secure = url.protocol === 'tls:';
  if ((!secure && url.protocol !== 'nats:') || url.hostname === '' || !/^\/?$/.test(url.pathname)) {
    throw new InvalidSpecError(`the server ${server} must be written as tls://host:port`);
  }
  const port = url.port === '' ? 4222 : Number(url.port);
  return { secure, host: url.hostname.replace(/^\[|\]$/g, ''), port, text: `${url.hostname}:${port}` };
}

import { type ConnectionOptions, connect, type NatsConnection, nkeyAuthenticator } from 'nats';
import { hostAndPort, requireServerUrl } from '../../common/server-url.ts';
import { verification } from '../../common/tls.ts';
import { type Place, translate } from './errors.ts';
import type { UserKey } from './keys.ts';

/** How a server with TLS is verified. */
export interface ServerTrust {
  /** PEM of the only CA that is trusted. Absent: the roots that Node trusts. */
  readonly ca?: string | undefined;
  /** The name that the certificate must be for, where that is not the host in the server's URL. */
  readonly tlsServerName?: string | undefined;
}

export interface Connected {
  readonly connection: NatsConnection;
  readonly place: Place;
}

const CONNECT_TIMEOUT_MS = 5000;
/** A server that disappears without closing the connection is noticed after three of these at the latest. */
const PING_INTERVAL_MS = 10_000;

/**
 * Signs in to exactly one server, once. It never reconnects, and ignores what the server says of others: a question
 * about *this* server must not be answered by another one.
 *
 * @param inboxPrefix the only inboxes that the user may listen on, where its permissions name some
 * @throws TransientError saying why not, after 5 s at the latest
 * @throws InvalidInputError where the server's URL or the CA cannot be read
 */
export async function connectOnce(
  server: string,
  key: UserKey,
  trust: ServerTrust,
  inboxPrefix = '_INBOX',
): Promise<Connected> {
  const address = requireServerUrl(server);
  const place: Place = {
    server: hostAndPort(address),
    secure: address.secure,
    expectedName: trust.tlsServerName ?? address.host,
    publicKey: key.publicKey,
  };
  // The library passes more on to Node than its type knows.
  const tls = address.secure
    ? { tls: verification(place.expectedName, trust.ca) as NonNullable<ConnectionOptions['tls']> }
    : {};
  try {
    const connection = await connect({
      servers: place.server,
      name: 'lfh-sync operator',
      inboxPrefix,
      authenticator: nkeyAuthenticator(new TextEncoder().encode(key.seed)),
      ...tls,
      resolve: false,
      reconnect: false,
      ignoreClusterUpdates: true,
      timeout: CONNECT_TIMEOUT_MS,
      pingInterval: PING_INTERVAL_MS,
      maxPingOut: 2,
      noAsyncTraces: true,
    });
    return { connection, place };
  } catch (error) {
    throw translate(error, place);
  }
}

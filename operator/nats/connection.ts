import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { checkServerIdentity, type ConnectionOptions as TlsOptions } from 'node:tls';
import { type ConnectionOptions, connect, type NatsConnection, nkeyAuthenticator } from 'nats';
import { InvalidSpecError } from '../../common/errors.ts';
import { hostAndPort, parseServer } from './addresses.ts';
import { type Place, translate } from './errors.ts';
import type { NodeKey } from './keys.ts';

/** How a server with TLS is verified. */
export interface Trust {
  /** PEM of the only CA that counts. Absent: the roots that Node trusts. */
  readonly ca?: string | undefined;
  /** What the certificate must be for, where that is not the host in the server's URL. */
  readonly tlsServerName?: string | undefined;
}

export interface Connected {
  readonly connection: NatsConnection;
  readonly place: Place;
}

const CONNECT_TIMEOUT_MS = 5000;
/** A server that is gone without a word is noticed after three of these at the latest. */
const PING_INTERVAL_MS = 10_000;

/**
 * Signs in to exactly one server, once. Never reconnects, and never listens to the server about others: whoever asks what
 * *this* server does must not be answered by another one.
 *
 * @param inboxPrefix the only inboxes that the user may listen on, where its permissions name some
 * @throws TransientError saying why not, after 5 s at the latest
 * @throws InvalidSpecError for a server or a CA that is none
 */
export async function connectOnce(
  server: string,
  key: NodeKey,
  trust: Trust,
  inboxPrefix = '_INBOX',
): Promise<Connected> {
  const address = parseServer(server);
  const place: Place = {
    server: hostAndPort(address),
    secure: address.secure,
    expectedName: trust.tlsServerName ?? address.host,
    publicKey: key.publicKey,
  };
  const tls = address.secure ? { tls: verification(place.expectedName, trust.ca) } : {};
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

/**
 * The client library turns an open socket into a TLS one, where Node compares the certificate with 'localhost' or with
 * nothing at all if the server is an IP address. So the name to compare with is given here, whatever Node passes.
 */
function verification(expectedName: string, ca: string | undefined): NonNullable<ConnectionOptions['tls']> {
  const options: TlsOptions = {
    minVersion: 'TLSv1.2',
    rejectUnauthorized: true,
    // TLS allows no IP address there.
    servername: isIP(expectedName) ? '' : expectedName,
    checkServerIdentity: (_host, certificate) => checkServerIdentity(expectedName, certificate),
    ...(ca === undefined ? {} : { ca: demandCertificates(ca) }),
  };
  // The library's type knows only some of what it passes on to Node.
  return options as NonNullable<ConnectionOptions['tls']>;
}

/** A CA without a certificate would mean every public one, and Node passes over a block that is none. */
function demandCertificates(ca: string): string {
  const blocks = ca.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw new InvalidSpecError("the CA of the node's NATS holds no CERTIFICATE block");
  try {
    for (const block of blocks) new X509Certificate(block);
  } catch (cause) {
    throw new InvalidSpecError("the CA of the node's NATS holds a CERTIFICATE block that is not a certificate", {
      cause,
    });
  }
  return blocks.join('\n');
}

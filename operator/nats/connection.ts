import { type ConnectionOptions, connect, type NatsConnection } from 'nats';
import { nonceSigner } from '../../common/contract/nkeys.ts';
import { isTooOld } from '../../common/nats-version.ts';
import { fetchCertificates } from '../../common/served-certificates.ts';
import { hostAndPort, requireServerUrl } from '../../common/server-url.ts';
import { sharedVerification } from '../../common/tls.ts';
import { type Attempt, CONNECT_TIMEOUT_MS, connectEitherWay } from '../../common/tls-first.ts';
import { isCertificateRefused, type Place, serverTooOld, translate } from './errors.ts';
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
  /** When the server's certificate, or one above it, expires first, in milliseconds since 1970; undefined without TLS. */
  readonly certificateExpires: number | undefined;
}

/**
 * The largest message that the operator takes. What it asks for is smaller: a page of 256 consumers has some 250 KB. One operator asks
 * the servers of many nodes, and whatever answers in the place of one of them must not take the memory that all of them share.
 */
export const MAX_ANSWER_BYTES = 1024 * 1024;

/** A server that vanishes without closing the connection is noticed after three of these at the latest. */
const PING_INTERVAL_MS = 10_000;

/**
 * Signs in to exactly one server, once. Never reconnects, and never listens to the server about others: the question is what
 * *this* server does, and no other one may answer it.
 *
 * @param inboxPrefix the only inboxes that the user may listen on, where its permissions name some
 * @throws TransientError saying why not, after 6.5 s at the latest
 * @throws InvalidInputError for a server or a CA that cannot be read as one
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
  let certificateExpires: number | undefined;
  const tls = address.secure
    ? sharedVerification(place.expectedName, trust.ca, (expires) => (certificateExpires = expires))
    : undefined;
  let attempted: Attempt['tls'] | undefined;
  const authenticator = nonceSigner(key.seed);
  const attempt = (how: Attempt): Promise<NatsConnection> => {
    attempted = how.tls;
    // The library's types know nothing of the limit, which is in our patch of it.
    const options: ConnectionOptions & { readonly maxMessage: number } = {
      maxMessage: MAX_ANSWER_BYTES,
      servers: place.server,
      name: 'lfh-sync operator',
      inboxPrefix,
      authenticator,
      // The library's type knows only some of what it passes on to Node.
      ...(tls ? { tls: { ...tls, ...how.tls } as NonNullable<ConnectionOptions['tls']> } : {}),
      resolve: false,
      reconnect: false,
      ignoreClusterUpdates: true,
      timeout: how.timeoutMs,
      pingInterval: PING_INTERVAL_MS,
      maxPingOut: 2,
      noAsyncTraces: true,
    };
    return connect(options);
  };
  try {
    const connection = await connectEitherWay(address, attempt);
    const version = connection.info?.version;
    if (!isTooOld(version)) return { connection, place, certificateExpires };
    await connection.close();
    throw serverTooOld(place, version);
  } catch (error) {
    const request = { servername: tls?.servername ?? '', handshakeFirst: attempted?.handshakeFirst === true };
    const chain =
      tls && isCertificateRefused(error)
        ? await fetchCertificates(address, { ...request, timeoutMs: CONNECT_TIMEOUT_MS })
        : [];
    throw translate(error, place, { chain, expectedName: place.expectedName, ca: trust.ca });
  }
}

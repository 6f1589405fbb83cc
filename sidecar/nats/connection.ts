import { nonceSigner, type SignedNonce } from '../../common/contract/nkeys.ts';
import { TransientError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import { isTooOld } from '../../common/nats-version.ts';
import { fetchCertificates } from '../../common/served-certificates.ts';
import { hostAndPort, requireServerUrl, type ServerAddress } from '../../common/server-url.ts';
import { verification } from '../../common/tls.ts';
import { type Attempt, CONNECT_TIMEOUT_MS, connectEitherWay } from '../../common/tls-first.ts';
import { isCertificateRefused, type Remote, serverTooOld, translate } from './errors.ts';
import { publicKeyOf } from './public-key.ts';

export interface NatsOptions {
  /** `tls://host:port`; `nats://` only with {@link allowPlaintext}. */
  readonly server: string;
  /** The NKey user seed (`SU…`), without a line end. */
  readonly seed: Uint8Array;
  /** Seeds that it replaces and that a server may still know it by: tried in turn where the server refuses {@link seed}. */
  readonly olderSeeds?: readonly Uint8Array[] | undefined;
  /** PEM. Absent: the roots that Node trusts. */
  readonly ca?: string | undefined;
  /** What the server's certificate must be for, where that is not the host in {@link server}. */
  readonly tlsServerName?: string | undefined;
  /** The only inboxes that our user may subscribe to, without a final dot. */
  readonly inboxPrefix: string;
  /** What the server's administrator sees in the list of connections. */
  readonly name: string;
  /** Whose administrator can help, for messages; the server's own name unless given. */
  readonly owner?: string | undefined;
  /** Whether no lfh-sync looks after the server, so that its administrator does everything by hand; for messages. */
  readonly manual?: boolean | undefined;
  /** The oldest version that will do; {@link OLDEST_NATS} unless given. */
  readonly oldest?: string | undefined;
  /** For the node's own server only: messages of patients never cross to a peer in the clear. */
  readonly allowPlaintext?: boolean | undefined;
  /** For a peer's server a limited one, since the server decides how often something is logged. */
  readonly log: Logger;
}

/** A connection that a server has let us in on. */
export interface Connected<Connection> {
  readonly connection: Connection;
  readonly remote: Remote;
  /** Whether the server refused the current key. */
  readonly onOlderKey: boolean;
  /** When the server's certificate, or one above it, expires first, in milliseconds since 1970; undefined without TLS. */
  readonly certificateExpires: number | undefined;
}

export interface Closable {
  close(): Promise<void>;
}

/** One attempt to connect to a server with one key. */
export interface Dialling {
  readonly address: ServerAddress;
  readonly attempt: Attempt;
  /** How the server is verified; undefined where it is reached without TLS. */
  readonly tls: ReturnType<typeof verification> | undefined;
  /** Signs what the server asks for with the key of this attempt. */
  readonly sign: (nonce: string | undefined) => SignedNonce;
}

/** A client of NATS: nats.js for the node's own server, and ours for a peer's (ADR 32). */
export interface NatsClient<Connection> {
  /** Throws whatever it likes; `errors.ts` reads the codes of both clients. */
  dial(dialling: Dialling): Promise<Connection>;
  /** The version that the server says it has. */
  versionOf(connection: Connection): string | undefined;
}

/**
 * Connects to exactly one server, with the current key, or where that is refused with the first older one that is not.
 *
 * What a server accepted before is not remembered: we do not learn when it takes up a new key, and the current key must come
 * to be used without anybody's help.
 *
 * A client must not reconnect by itself, because after any break the peer must be taken over again; and it must not listen to
 * the server about other servers, because a peer could send us anywhere.
 *
 * @throws TransientError saying what is wrong and who can help
 * @throws InvalidInputError for a server, a CA or a seed that cannot be read as one
 */
export async function connectWith<Connection extends Closable>(
  client: NatsClient<Connection>,
  options: NatsOptions,
): Promise<Connected<Connection>> {
  const { seed, olderSeeds = [], log } = options;
  let refusal: unknown;
  try {
    return { ...(await signIn(client, options, seed)), onOlderKey: false };
  } catch (error) {
    if (!isKeyRefused(error)) throw error;
    refusal = error;
  }
  const refused = publicKeyOf(seed);
  for (const older of olderSeeds) {
    try {
      const signedIn = await signIn(client, options, older, refused);
      const { server, publicKey } = signedIn.remote;
      log.info({ server, refused, key: publicKey }, 'signed in with an older key');
      return { ...signedIn, onOlderKey: true };
    } catch (error) {
      if (!isKeyRefused(error)) throw error;
      refusal = error;
    }
  }
  throw refusal;
}

function isKeyRefused(error: unknown): boolean {
  return error instanceof TransientError && error.reason === 'KeyRefused';
}

/** @param refused the public key that the server refused before */
async function signIn<Connection extends Closable>(
  client: NatsClient<Connection>,
  options: NatsOptions,
  seed: Uint8Array,
  refused?: string,
): Promise<Omit<Connected<Connection>, 'onOlderKey'>> {
  const address = requireServerUrl(options.server);
  const remote = remoteOf(options, address, publicKeyOf(seed), refused);
  if (!address.secure && !options.allowPlaintext) {
    throw new TransientError(
      'TlsRequired',
      `${remote.server} must be reached with TLS: write tls:// instead of nats://`,
    );
  }
  let certificateExpires: number | undefined;
  const tls = address.secure
    ? verification(remote.expectedName, options.ca, (expires) => (certificateExpires = expires))
    : undefined;
  let attempted: Attempt['tls'] | undefined;
  const sign = nonceSigner(seed);
  const dial = (attempt: Attempt): Promise<Connection> => {
    attempted = attempt.tls;
    return client.dial({ address, attempt, tls, sign });
  };
  try {
    const connection = await connectEitherWay(address, dial);
    const version = client.versionOf(connection);
    options.log.debug({ server: remote.server, version }, 'connected to NATS');
    if (!isTooOld(version, options.oldest)) return { connection, remote, certificateExpires };
    await connection.close();
    throw serverTooOld(remote, version, options.oldest);
  } catch (error) {
    const request = { servername: tls?.servername ?? '', handshakeFirst: attempted?.handshakeFirst === true };
    const chain =
      tls && isCertificateRefused(error)
        ? await fetchCertificates(address, { ...request, timeoutMs: CONNECT_TIMEOUT_MS })
        : [];
    throw translate(error, remote, { chain, expectedName: remote.expectedName, ca: options.ca });
  }
}

function remoteOf(options: NatsOptions, address: ServerAddress, publicKey: string, refused?: string): Remote {
  return {
    server: hostAndPort(address),
    owner: options.owner ?? hostAndPort(address),
    publicKey,
    ...(refused !== undefined && { refusedKey: refused }),
    expectedName: options.tlsServerName ?? address.host,
    secure: address.secure,
    ...(options.manual && { manual: true }),
  };
}

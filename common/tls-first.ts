import { hostAndPort, type ServerAddress } from './server-url.ts';
import { errorChain, errorCodes, tlsFailure } from './tls.ts';

/**
 * NATS servers that wait for TLS before they say anything (nats-server's `tls { handshake_first: true }`). Others send their
 * INFO first, and nothing but trying shows which of both a server is.
 */

/** How to connect this time. */
export interface Attempt {
  readonly timeoutMs: number;
  /** For the TLS settings of nats.js; our own client reads no more of it than which way it is. */
  readonly tls: {
    readonly handshakeFirst: boolean;
    /** Ends a handshake that the library has given up, since it does not close that socket itself. */
    readonly signal?: AbortSignal;
  };
}

export const CONNECT_TIMEOUT_MS = 5000;
/** What a second attempt gets at least, where a server was silent for as long as {@link CONNECT_TIMEOUT_MS}. */
const SECOND_MIN_MS = 1500;

/** The servers of this process's settings that were last seen to wait for TLS. */
const waiting = new Set<string>();

/**
 * Connects to a server, and where it says nothing once more with TLS first. A server that waits for TLS ends a connection
 * after its `tls { timeout }`, which is 2 s unless it is set. So that this is not waited for each time, TLS first is what is
 * tried first at a server that took it the last time.
 *
 * @param connect throws what its client throws
 * @throws the error of the attempt that says more, after 6.5 s at the latest
 */
export async function connectEitherWay<T>(
  address: ServerAddress,
  connect: (attempt: Attempt) => Promise<T>,
): Promise<T> {
  const deadline = performance.now() + CONNECT_TIMEOUT_MS;
  const left = (): number => Math.max(SECOND_MIN_MS, deadline - performance.now());
  const server = hostAndPort(address);
  if (waiting.has(server)) {
    try {
      return await tlsFirst(CONNECT_TIMEOUT_MS, connect);
    } catch (error) {
      if (spokeTls(error)) throw error;
      const connected = await connect({ timeoutMs: left(), tls: { handshakeFirst: false } });
      waiting.delete(server);
      return connected;
    }
  }
  try {
    return await connect({ timeoutMs: CONNECT_TIMEOUT_MS, tls: { handshakeFirst: false } });
  } catch (silence) {
    if (!address.secure || !saidNothing(silence)) throw silence;
    try {
      const connected = await tlsFirst(left(), connect);
      waiting.add(server);

      return connected;
    } catch (error) {
      throw spokeTls(error) ? error : silence;
    }
  }
}

async function tlsFirst<T>(timeoutMs: number, connect: (attempt: Attempt) => Promise<T>): Promise<T> {
  const over = new AbortController();
  try {
    return await connect({ timeoutMs, tls: { handshakeFirst: true, signal: over.signal } });
  } catch (error) {
    over.abort();
    throw error;
  }
}

/**
 * Whether a server hung up without a word or did not answer in time. The client library says CONNECTION_REFUSED for a server
 * that accepts a connection and closes it before its INFO, as for one that nothing listens at; only the latter has Node's
 * ECONNREFUSED inside.
 */
export function saidNothing(error: unknown): boolean {
  return hungUpAtOnce(error) || errorCodes(error).includes('TIMEOUT');
}

/** Whether a server accepted the connection and closed it before it said anything. */
export function hungUpAtOnce(error: unknown): boolean {
  const codes = errorCodes(error);
  return codes.includes('CONNECTION_REFUSED') && !codes.includes('ECONNREFUSED');
}

/** Whether what answered does not keep to the NATS protocol. nats.js has no code for a first line that is no INFO. */
export function isNotNats(error: unknown): boolean {
  const [first] = errorChain(error);
  return (
    first instanceof SyntaxError ||
    first?.message === 'unexpected response from server' ||
    errorCodes(error).includes('NATS_PROTOCOL_ERR')
  );
}

/**
 * Whether more than the server's first line was sent before TLS. A nats-server never does that. Somebody between us and it
 * can, without any key, and what they add would count as said by the server inside TLS. Thrown by our own client, and by our
 * patch of nats.js (patches/).
 */
export function spokeBeforeTls(error: unknown): boolean {
  return errorChain(error).some(({ message }) => message === 'bytes before TLS');
}

/** Whether the attempt with TLS first came as far as a handshake, or further, to what NATS says. */
function spokeTls(error: unknown): boolean {
  const failure = tlsFailure(error);
  if (failure) return failure.reason !== 'TlsRequired' || isAlert(failure.code);
  return errorCodes(error).some((code) => SAID_BY_NATS.has(code));
}

function isAlert(code: string): boolean {
  return code.includes('_ALERT_');
}

const SAID_BY_NATS: ReadonlySet<string> = new Set([
  'AUTHORIZATION_VIOLATION',
  'AUTHENTICATION_EXPIRED',
  'ACCOUNT_EXPIRED',
  'AUTHENTICATION_TIMEOUT',
  'PERMISSIONS_VIOLATION',
]);

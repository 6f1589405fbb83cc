import { connect as connectTcp, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import type { ServerAddress } from '../../../common/server-url.ts';
import { ConnectionError, protocolError } from './errors.ts';
import { readServerInfo, type ServerInfo } from './server-info.ts';

export interface SecureSocketOptions {
  readonly address: ServerAddress;
  /** How the server is verified. */
  readonly tls: ConnectionOptions;
  /** Whether TLS comes before the server's INFO. */
  readonly handshakeFirst: boolean;
  /** Is told of each socket at once, so that a connection that is given up leaves none behind. */
  readonly onSocket: (socket: Socket) => void;
}

/** A connection over which everything from now on is said inside TLS. */
export interface SecureSocket {
  readonly socket: TLSSocket;
  /** What the server said before TLS; undefined where TLS came first. */
  readonly info: ServerInfo | undefined;
}

/** The longest first line that is read. */
const MAX_GREETING = 64 * 1024;
const LF = 10;

/**
 * Connects to a server, with TLS. The server's certificate was verified when this resolves.
 *
 * @throws ConnectionError, or Node's own error
 */
export async function openSecureSocket(options: SecureSocketOptions): Promise<SecureSocket> {
  const { host, port } = options.address;
  if (options.handshakeFirst) {
    const socket = connectTls({ host, port, ...options.tls });
    prepare(socket, options);
    await until(socket, 'secureConnect');
    return { socket, info: undefined };
  }
  const raw = connectTcp(port, host);
  prepare(raw, options);
  const info = readServerInfo(await greetingOf(raw));
  if (!info.offersTls) throw new ConnectionError('SERVER_OPT_NA', 'tls');
  const socket = connectTls({ socket: raw, ...options.tls });
  prepare(socket, options);
  await until(socket, 'secureConnect');
  return { socket, info };
}

function prepare(socket: Socket, { onSocket }: SecureSocketOptions): void {
  onSocket(socket);
  socket.setNoDelay(true);
  // Who waits for the socket is told. Without a listener an error would end the process.
  socket.on('error', () => undefined);
}

/** Waits for an event of a socket. @throws the error that ended the socket before */
function until(socket: Socket, event: 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, resolve);
    onceEnded(socket, reject);
  });
}

/** A server that hangs up in the middle of a handshake gives an error of Node's own, one that hangs up before it gives none. */
function onceEnded(socket: Socket, ended: (error: Error) => void): void {
  let problem: Error | undefined;
  socket.once('error', (error) => (problem = error));
  socket.once('close', () => {
    ended(problem ?? new ConnectionError('CONNECTION_REFUSED', 'the server closed the connection'));
  });
}

/**
 * Reads the server's first line, which comes in the clear.
 *
 * @returns what follows `INFO`
 * @throws ConnectionError for another line, or where more than this line comes: nobody sends more before TLS but somebody on the
 *   way, and what they add would count as said inside TLS
 */
function greetingOf(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    onceEnded(socket, reject);
    const read = (chunk: Buffer): void => {
      received = Buffer.concat([received, chunk]);
      const end = received.indexOf(LF);
      if (end < 0 && received.length <= MAX_GREETING) return;
      socket.off('data', read);
      const [, json] = /^INFO ([^\r\n]*)\r\n$/.exec(received.toString('utf8', 0, end + 1)) ?? [];
      if (json === undefined) reject(protocolError());
      else if (end + 1 < received.length) reject(new ConnectionError('NATS_PROTOCOL_ERR', 'bytes before TLS'));
      else resolve(json);
    };
    socket.on('data', read);
  });
}

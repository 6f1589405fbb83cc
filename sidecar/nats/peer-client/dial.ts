import type { Socket } from 'node:net';
import { PeerConnection, type PeerConnectionOptions } from './connection.ts';
import { ConnectionError } from './errors.ts';
import { openSecureSocket, type SecureSocketOptions } from './secure-socket.ts';

export interface DialOptions extends PeerConnectionOptions, Omit<SecureSocketOptions, 'onSocket'> {
  /** How long all of it may take, from the first packet to the server's answer to our key. */
  readonly timeoutMs: number;
}

/**
 * Connects to a peer's server and signs in, once. No socket is left behind by an attempt that fails.
 *
 * @throws ConnectionError, or Node's own error
 */
export async function dialPeer(options: DialOptions): Promise<PeerConnection> {
  const sockets: Socket[] = [];
  const tooLate = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => tooLate.reject(new ConnectionError('TIMEOUT', 'the server did not answer in time')),
    options.timeoutMs,
  );
  const connect = async (): Promise<PeerConnection> => {
    const onSocket = (socket: Socket): void => void sockets.push(socket);
    return PeerConnection.signIn(await openSecureSocket({ ...options, onSocket }), options);
  };
  try {
    return await Promise.race([connect(), tooLate.promise]);
  } catch (error) {
    for (const socket of sockets) socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

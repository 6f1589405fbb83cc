import type { X509Certificate } from 'node:crypto';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { ServerAddress } from './server-url.ts';

const MAX_INFO_BYTES = 64 * 1024;

export interface CertificateRequest {
  readonly servername: string;
  /** Whether TLS comes before the server's INFO. */
  readonly handshakeFirst: boolean;
  readonly timeoutMs: number;
}

/**
 * Asks a server that was just refused for its certificates, so that the refusal can be explained: Node says the reason but
 * not the certificate. Nothing but a TLS handshake is sent.
 *
 * @returns the chain as sent, the server's own first; empty when it cannot be had
 */
export function fetchCertificates(address: ServerAddress, request: CertificateRequest): Promise<X509Certificate[]> {
  return new Promise((resolve) => {
    const socket = connectTcp(address.port, address.host);
    const finish = (chain: X509Certificate[]): void => {
      clearTimeout(timer);
      resolve(chain);
      socket.destroy();
    };
    const timer = setTimeout(finish, request.timeoutMs, []);
    const secure = (): void => {
      const secured = connectTls({ socket, servername: request.servername, rejectUnauthorized: false }, () => {
        finish(chainSent(secured));
      });
      secured.on('error', () => finish([]));
    };
    socket.on('error', () => finish([]));
    socket.on('close', () => finish([]));
    if (request.handshakeFirst) secure();
    else afterInfo();

    function afterInfo(): void {
      let received = '';
      const onInfo = (chunk: Buffer): void => {
        received += chunk.toString('latin1');
        if (received.length > MAX_INFO_BYTES) finish([]);
        if (!received.includes('\n')) return;
        socket.off('data', onInfo);
        secure();
      };
      socket.on('data', onInfo);
    }
  });
}

/** Empty where the chain cannot be read: an exception in a listener of a socket would end the process. */
function chainSent(secured: TLSSocket): X509Certificate[] {
  try {
    return chainOf(secured.getPeerX509Certificate());
  } catch {
    return [];
  }
}

function chainOf(leaf: X509Certificate | undefined): X509Certificate[] {
  const chain: X509Certificate[] = [];
  for (let next = leaf; next !== undefined && chain.length < 10; next = next.issuerCertificate) {
    if (chain.some(({ fingerprint256 }) => fingerprint256 === next?.fingerprint256)) break;
    chain.push(next);
  }
  return chain;
}

import { X509Certificate } from 'node:crypto';
import { connect as connectTcp, isIP } from 'node:net';
import { checkServerIdentity, connect as connectTls, type ConnectionOptions as TlsOptions } from 'node:tls';
import { InvalidSpecError } from '../../common/errors.ts';
import type { ServerAddress } from './server-address.ts';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;
const MAX_INFO_BYTES = 64 * 1024;

/**
 * The settings with which a server is verified.
 *
 * The client library turns an open socket into a TLS one, and there Node compares the certificate with 'localhost' or with
 * nothing at all where the server is an IP address. So the name to compare with is given here, whatever Node passes.
 * A CA given is the only one that counts: a peer that has its own must not be vouched for by any public one.
 */
export function verification(address: ServerAddress, ca?: string, tlsServerName?: string): TlsOptions {
  const expected = tlsServerName ?? address.host;
  return {
    minVersion: 'TLSv1.2',
    rejectUnauthorized: true,
    // TLS allows no IP address there.
    servername: isIP(expected) ? '' : expected,
    checkServerIdentity: (_host, certificate) => checkServerIdentity(expected, certificate),
    ...(ca === undefined ? {} : { ca: certificatesIn(ca) }),
  };
}

/** @throws InvalidSpecError where there is none: an empty CA would otherwise mean every public one */
function certificatesIn(pem: string): string {
  const certificates = pem.match(CERTIFICATE) ?? [];
  try {
    for (const certificate of certificates) new X509Certificate(certificate);
  } catch (cause) {
    throw new InvalidSpecError('the CA holds a CERTIFICATE block that is not a certificate', { cause });
  }
  if (certificates.length === 0) throw new InvalidSpecError('the CA holds no CERTIFICATE block');
  return certificates.join('\n');
}

/**
 * Asks a server that was just refused for its certificates, so that the refusal can be explained: Node tells the reason
 * but not the certificate. Nothing but a TLS handshake is sent.
 *
 * @returns the chain as sent, the server's own first; empty when it cannot be had
 */
export function fetchCertificates(
  address: ServerAddress,
  servername: string,
  timeoutMs: number,
): Promise<X509Certificate[]> {
  return new Promise((resolve) => {
    const socket = connectTcp(address.port, address.host);
    const finish = (chain: X509Certificate[]): void => {
      clearTimeout(timer);
      resolve(chain);
      socket.destroy();
    };
    const timer = setTimeout(finish, timeoutMs, []);
    let received = '';
    const onInfo = (chunk: Buffer): void => {
      received += chunk.toString('latin1');
      if (received.length > MAX_INFO_BYTES) finish([]);
      if (!received.includes('\n')) return;
      socket.off('data', onInfo);
      const secured = connectTls({ socket, servername, rejectUnauthorized: false }, () => {
        finish(chainOf(secured.getPeerX509Certificate()));
      });
      secured.on('error', () => finish([]));
    };
    socket.on('data', onInfo);
    socket.on('error', () => finish([]));
    socket.on('close', () => finish([]));
  });
}

function chainOf(leaf: X509Certificate | undefined): X509Certificate[] {
  const chain: X509Certificate[] = [];
  for (let next = leaf; next !== undefined && chain.length < 10; next = next.issuerCertificate) {
    if (chain.some(({ fingerprint256 }) => fingerprint256 === next?.fingerprint256)) break;
    chain.push(next);
  }
  return chain;
}

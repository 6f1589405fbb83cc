import { isIP } from 'node:net';
import { type ConnectionOptions, checkServerIdentity } from 'node:tls';
import type { Reason } from './contract/reasons.ts';
import { requireCertificates } from './pem.ts';

/** How servers with TLS are verified, and what a failure means. One place, since a difference would be a hole. */

/**
 * The settings with which a NATS server is verified.
 *
 * The client library turns an open socket into a TLS one, and there Node compares the certificate with 'localhost', or with
 * nothing at all where the server is an IP address. So the name to compare with is given here, whatever Node passes.
 *
 * @param expectedName the name or address that the certificate must be for
 * @param ca PEM of the only authorities that count; absent: the roots that Node trusts
 * @throws InvalidInputError for a CA that holds no certificate
 */
export function verification(expectedName: string, ca: string | undefined): ConnectionOptions {
  return {
    minVersion: 'TLSv1.2',
    rejectUnauthorized: true,
    // TLS allows no IP address there.
    servername: isIP(expectedName) ? '' : expectedName,
    checkServerIdentity: (_host, certificate) => checkServerIdentity(expectedName, certificate),
    ...(ca === undefined ? {} : { ca: requireCertificates(ca, 'the CA') }),
  };
}

/** Why a connection with TLS failed. */
export type TlsReason = Extract<
  Reason,
  | 'CertificateExpired'
  | 'CertificateNotYetValid'
  | 'HostNameMismatch'
  | 'NotTrusted'
  | 'ClientCertificateRequired'
  | 'TlsRequired'
>;

/** The codes of Node's errors (`X509ErrorCode` in `crypto_common.cc`, OpenSSL's alerts), the first that fits. */
const RULES: readonly (readonly [codes: RegExp, reason: TlsReason])[] = [
  [/^CERT_HAS_EXPIRED$/, 'CertificateExpired'],
  [/^CERT_NOT_YET_VALID$/, 'CertificateNotYetValid'],
  [/^ERR_TLS_CERT_ALTNAME_/, 'HostNameMismatch'],
  [
    /^(?:UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_|CRL_|INVALID_(?:CA|PURPOSE)|PATH_LENGTH_|HOSTNAME_|EE_KEY_|CA_(?:KEY|MD)_|ERROR_IN_)/,
    'NotTrusted',
  ],
  [/^ERR_SSL.*(?:CERTIFICATE_REQUIRED|BAD_CERTIFICATE)/, 'ClientCertificateRequired'],
  [/^(?:ERR_SSL|ERR_TLS|EPROTO$)/, 'TlsRequired'],
];

/** What the code of an error says about TLS; undefined where the error is about something else. */
export function tlsReason(code: string): TlsReason | undefined {
  return RULES.find(([codes]) => codes.test(code))?.[1];
}

/** Whether it was the server's certificate that was refused. */
export function isCertificateReason(reason: TlsReason | undefined): boolean {
  return reason !== undefined && reason !== 'ClientCertificateRequired' && reason !== 'TlsRequired';
}

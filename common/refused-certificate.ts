import type { X509Certificate } from 'node:crypto';
import { clean } from './clean.ts';
import { certificatesOf, distinguishedName } from './pem.ts';
import type { TlsFailure } from './tls.ts';

/** What is wrong with a server's certificate, from the certificates themselves: names, dates, and which one is missing. */

/** A certificate that was refused, and what it was compared with. */
export interface RefusedCertificate {
  /** What the server sent, its own certificate first; empty where it could not be asked for them. */
  readonly chain: readonly X509Certificate[];
  readonly expectedName: string;
  /** PEM of the CA that was given; absent: the roots that Node trusts. */
  readonly ca?: string | undefined;
}

/**
 * A clause about a refused certificate, such as `the certificate of "CN=nats" expired on 2026-11-27 08:00 UTC`. What the
 * server chose, such as a name, is made printable and short.
 *
 * It never throws: the certificate is another organisation's, so where it is odder than we foresaw, the clause says only what
 * the failure itself says.
 *
 * @param now in milliseconds since 1970
 */
export function describeRefusal(failure: TlsFailure, refused: RefusedCertificate, now: number): string {
  try {
    return describeWith(failure, refused, now);
  } catch {
    return failure.what;
  }
}

function describeWith(failure: TlsFailure, refused: RefusedCertificate, now: number): string {
  const [leaf] = refused.chain;
  if (!leaf) return failure.what;
  switch (failure.reason) {
    case 'CertificateExpired':
      return expiry(failure, refused, now);
    case 'CertificateNotYetValid':
      return beginning(failure, refused, now);
    case 'HostNameMismatch':
      return `its certificate (${describe(leaf)}) is for ${namesOf(leaf)}, not for ${refused.expectedName}`;
    default:
      return notTrusted(failure, refused, leaf);
  }
}

/** The one that has expired may also be among those given, where the server does not send its CA. */
function expiry(failure: TlsFailure, refused: RefusedCertificate, now: number): string {
  const expired = known(refused).find(({ validTo }) => Date.parse(validTo) < now);
  return expired ? `${describe(expired)} expired on ${day(expired.validTo)}` : failure.what;
}

function beginning(failure: TlsFailure, refused: RefusedCertificate, now: number): string {
  const early = known(refused).find(({ validFrom }) => Date.parse(validFrom) > now);
  return early ? `${describe(early)} is valid from ${day(early.validFrom)}, and it is ${day(now)} here` : failure.what;
}

function notTrusted({ code, what }: TlsFailure, refused: RefusedCertificate, leaf: X509Certificate): string {
  const whose = `${describe(leaf)}, issued by "${oneLine(leaf.issuer)}"`;
  const given =
    refused.ca === undefined ? 'not among the CAs that everybody knows' : `not the CA given, ${names(refused)}`;
  switch (code) {
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
      return `${describe(leaf)} is self-signed, and is not itself given as the CA`;
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'SELF_SIGNED_CERT_IN_CHAIN': {
      const last = refused.chain.at(-1) ?? leaf;
      return refused.chain.length === 1
        ? `it sends only its own certificate: ${whose}, which is ${given}. Either the intermediate CA is missing from what it ` +
            `sends, or that issuer is the CA to give`
        : `${whose}, leads to "${oneLine(last.issuer)}", which is ${given}`;
    }
    default:
      return `${whose}, is refused: ${what}`;
  }
}

function names(refused: RefusedCertificate): string {
  return given(refused)
    .map(({ subject }) => `"${oneLine(subject)}"`)
    .join(', ')
    .slice(0, MAX_NAMES);
}

const MAX_NAMES = 300;

function known(refused: RefusedCertificate): X509Certificate[] {
  return [...refused.chain, ...given(refused)];
}

function given({ ca }: RefusedCertificate): X509Certificate[] {
  return ca === undefined ? [] : certificatesOf(ca, 'the CA');
}

function namesOf(leaf: X509Certificate): string {
  return leaf.subjectAltName ? clean(leaf.subjectAltName) : 'no name or address at all';
}

function describe(certificate: X509Certificate): string {
  return `the certificate of "${oneLine(certificate.subject)}"`;
}

function oneLine(name: string | undefined): string {
  return clean(distinguishedName(name));
}

function day(time: string | number): string {
  return new Date(time).toISOString().replace('T', ' ').slice(0, 16).concat(' UTC');
}

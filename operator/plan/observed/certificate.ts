import { canonicalPem, distinguishedName, isAnchor, readCertificate } from '../../../common/pem.ts';

/** What matters of a certificate when it is decided whether it is a usable certificate authority. */
export interface Certificate {
  /** SHA-256 of the whole certificate. */
  readonly fingerprint: string;
  readonly pem: string;
  /** In one line, as the issuer is. */
  readonly subject: string;
  readonly issuer: string;
  /** Whether sidecars verify servers with it. */
  readonly isAnchor: boolean;
  /** In milliseconds since 1970. */
  readonly validFrom: number;
  readonly validTo: number;
}

/** Reads one PEM block; undefined where the block cannot be read as a certificate. */
export type CertificateReader = (block: string) => Certificate | undefined;

export function parseCertificate(block: string): Certificate | undefined {
  const certificate = readCertificate(block);
  return (
    certificate && {
      fingerprint: certificate.fingerprint256,
      pem: canonicalPem(certificate),
      subject: distinguishedName(certificate.subject),
      issuer: distinguishedName(certificate.issuer),
      isAnchor: isAnchor(certificate),
      validFrom: certificate.validFromDate.getTime(),
      validTo: certificate.validToDate.getTime(),
    }
  );
}

/** More than the certificates of all peers of a node; when it is reached, the cache starts again. */
const MOST_CACHED = 4096;

/**
 * A {@link parseCertificate} that parses each block only once. Every reconcile reads the certificates of all peers of its node,
 * of which there may be hundreds, so the controller keeps one such reader from one reconcile to the next.
 */
export function cachingCertificateReader(): CertificateReader {
  const cached = new Map<string, Certificate | undefined>();
  return (block) => {
    if (cached.has(block)) return cached.get(block);
    if (cached.size >= MOST_CACHED) cached.clear();
    const certificate = parseCertificate(block);
    cached.set(block, certificate);
    return certificate;
  };
}

import { canonicalPem, isPrivateKey, type PemBlock, pemBlocks, readCertificate } from '../../../common/pem.ts';

/** Certificates of authorities, as people paste them: read, judged and put together. Pure; the time is given. */

export interface Authority {
  /** SHA-256, as nobody else has. */
  readonly fingerprint: string;
  readonly pem: string;
}

export interface CertificateProblem {
  readonly reason:
    | 'CertificateInvalid'
    | 'CertificateExpired'
    | 'CertificateNotYetValid'
    | 'NotACertificateAuthority'
    | 'PrivateKeyPasted';
  /** Which certificate, and what to do; never a byte of it. */
  readonly message: string;
}

export interface ReadCertificates {
  /** In the order they were given, each once. */
  readonly authorities: readonly Authority[];
  readonly problems: readonly CertificateProblem[];
}

/** Some dozens of certificates: as much as the CRD allows inline. */
const MAX_CHARACTERS = 65_536;

/**
 * Reads a PEM text that should hold authorities. What is wrong with one of them is told and the others still count, since
 * one certificate that has expired must not cut off a peer whose new one is there already.
 *
 * @param where the text is from, for the messages: `spec.ca.inline`, `ConfigMap site-b-ca, key ca.crt`
 */
export function readCertificates(pem: string, where: string, now: number): ReadCertificates {
  if (pem.length > MAX_CHARACTERS) {
    const kib = Math.ceil(pem.length / 1024);
    const message = `${where} holds ${kib} KiB, and 64 are the limit: give only the CA that is meant, not a bundle of many`;
    return { authorities: [], problems: [{ reason: 'CertificateInvalid', message }] };
  }
  const blocks = pemBlocks(pem);
  const authorities = new Map<string, Authority>();
  const problems: CertificateProblem[] = [];
  if (blocks.length === 0) problems.push(noBlocks(pem, where));
  for (const [index, block] of blocks.entries()) {
    const judged = judge(block, `${where}, block ${index + 1}`, now);
    if ('reason' in judged) problems.push(judged);
    else authorities.set(judged.fingerprint, judged);
  }
  return { authorities: [...authorities.values()], problems };
}

/** All of them in one PEM text, each once, in the order given; ends with a line's end. Empty where there are none. */
export function bundle(authorities: readonly Authority[]): string {
  const once = new Map(authorities.map((authority) => [authority.fingerprint, authority.pem]));
  return [...once.values()].join('');
}

function noBlocks(pem: string, where: string): CertificateProblem {
  const what = pem.trim() === '' ? 'is empty' : 'holds no PEM block';
  return { reason: 'CertificateInvalid', message: `${where} ${what}: expected -----BEGIN CERTIFICATE-----` };
}

function judge(block: PemBlock, place: string, now: number): Authority | CertificateProblem {
  if (isPrivateKey(block)) {
    return {
      reason: 'PrivateKeyPasted',
      message: `${place} is a private key, which nobody else may have: remove it, and consider it compromised`,
    };
  }
  if (block.label !== 'CERTIFICATE') {
    return { reason: 'CertificateInvalid', message: `${place} is no CERTIFICATE block` };
  }
  const certificate = parse(block.text);
  if (!certificate)
    return { reason: 'CertificateInvalid', message: `${place} cannot be read as a certificate; was all of it copied?` };
  const name = `${place} (${certificate.subject})`;
  if (!certificate.isAuthority) {
    return {
      reason: 'NotACertificateAuthority',
      message: `${name} is no certificate authority: give the CA that signed the server's certificate`,
    };
  }
  if (certificate.validTo < now) {
    return { reason: 'CertificateExpired', message: `${name} has expired on ${isoTime(certificate.validTo)}` };
  }
  if (certificate.validFrom > now) {
    const from = isoTime(certificate.validFrom);
    return { reason: 'CertificateNotYetValid', message: `${name} is not valid before ${from}; are the clocks right?` };
  }
  const { fingerprint, pem } = certificate;
  return { fingerprint, pem };
}

function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

interface Certificate {
  readonly fingerprint: string;
  readonly pem: string;
  /** In one line. */
  readonly subject: string;
  readonly isAuthority: boolean;
  /** In milliseconds since 1970. */
  readonly validFrom: number;
  readonly validTo: number;
}

/** Of blocks that were read before: each turn reads the same ones, and a node may have hundreds of peers. */
const known = new Map<string, Certificate | undefined>();
const MOST_KNOWN = 4096;

function parse(block: string): Certificate | undefined {
  if (known.has(block)) return known.get(block);
  if (known.size >= MOST_KNOWN) known.clear();
  const certificate = read(block);
  known.set(block, certificate);
  return certificate;
}

function read(block: string): Certificate | undefined {
  const certificate = readCertificate(block);
  return (
    certificate && {
      fingerprint: certificate.fingerprint256,
      pem: canonicalPem(certificate),
      subject: certificate.subject.replaceAll('\n', ', '),
      isAuthority: certificate.ca,
      validFrom: certificate.validFromDate.getTime(),
      validTo: certificate.validToDate.getTime(),
    }
  );
}

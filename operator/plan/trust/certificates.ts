import { isPrivateKey, type PemBlock, pemBlocks } from '../../../common/pem.ts';
import type { CertificateReader } from '../observed/certificate.ts';
import { latest } from './expiry.ts';

/** Certificates of authorities as people paste them: they are read and checked here, and joined into one text. */

export interface Authority {
  /** SHA-256 of the whole certificate. */
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
  /** Says which certificate it is and what to do. It never quotes the text, which may be a private key. */
  readonly message: string;
}

export interface ReadCertificates {
  /** In the order in which they were given, each once. */
  readonly authorities: readonly Authority[];
  readonly problems: readonly CertificateProblem[];
  /**
   * When the last of the authorities expires, in milliseconds since 1970, also where that is over: until then another one can
   * take the place of those that expire sooner. undefined where there is none.
   */
  readonly expires: number | undefined;
}

/** Some dozens of certificates: as much as the CRD allows inline. A peer may not have more, since the others need room as well. */
export const MAX_PEER_CA = 65_536;
/**
 * A bundle of all public authorities has some 230 KiB. That of NATS is in the ConfigMap that nats-server includes, which takes 1 MiB,
 * and leaves three quarters of it to the peers.
 */
export const MAX_OWN_CA = 262_144;

/**
 * Reads a PEM text that should hold authorities. A problem with one of them is reported and the others still count: one
 * certificate that has expired must not cut off a peer whose new one is already there.
 *
 * @param where the text is from, for the messages: `spec.ca.inline`, `ConfigMap site-b-ca, entry ca.crt`
 * @param now in milliseconds since 1970
 * @param limit how many characters the text may have
 */
export function readCertificates(
  pem: string,
  where: string,
  now: number,
  read: CertificateReader,
  limit = MAX_PEER_CA,
): ReadCertificates {
  if (pem.length > limit) {
    const kib = Math.ceil(pem.length / 1024);
    const message = `${where} holds ${kib} KiB, and ${limit / 1024} are the limit: give only the CA that is meant, not a bundle of many`;
    return { authorities: [], problems: [{ reason: 'CertificateInvalid', message }], expires: undefined };
  }
  const blocks = pemBlocks(pem);
  const authorities = new Map<string, Authority>();
  const problems: CertificateProblem[] = [];
  if (blocks.length === 0) problems.push(noBlocks(pem, where));
  for (const [index, block] of blocks.entries()) {
    const checked = check(block, `${where}, block ${index + 1}`, now, read);
    if ('reason' in checked) problems.push(checked);
    else authorities.set(checked.fingerprint, checked);
  }
  const anchors = blocks.flatMap((block) => (isPrivateKey(block) ? [] : (read(block.text) ?? [])));
  const expires = latest(anchors.filter(({ isAnchor }) => isAnchor).map(({ validTo }) => validTo));
  return { authorities: [...authorities.values()], problems, expires };
}

/** One PEM text with each authority once, in the order given. It ends with a line end, and is empty without authorities. */
export function bundle(authorities: readonly Authority[]): string {
  const once = new Map(authorities.map((authority) => [authority.fingerprint, authority.pem]));
  return [...once.values()].join('');
}

/**
 * The same, with as many of the others as there is room for, in the order given: from the first that does not fit all are left out.
 *
 * @param own are there in any case
 * @param room in bytes
 * @returns the text, and how many authorities were left out
 */
export function bundleWithin(
  own: readonly Authority[],
  others: readonly Authority[],
  room: number,
): { readonly text: string; readonly leftOut: number } {
  const known = new Set(own.map(({ fingerprint }) => fingerprint));
  const further = new Map(
    others.flatMap((each) => (known.has(each.fingerprint) ? [] : [[each.fingerprint, each.pem]])),
  );
  const pems = [...further.values()];
  let left = room - bundle(own).length;
  const fitting = pems.findIndex((pem) => {
    left -= pem.length;
    return left < 0;
  });
  const kept = fitting === -1 ? pems : pems.slice(0, fitting);
  return { text: bundle(own) + kept.join(''), leftOut: pems.length - kept.length };
}

function noBlocks(pem: string, where: string): CertificateProblem {
  const what = pem.trim() === '' ? 'is empty' : 'holds no PEM block';
  return { reason: 'CertificateInvalid', message: `${where} ${what}: expected -----BEGIN CERTIFICATE-----` };
}

function check(block: PemBlock, place: string, now: number, read: CertificateReader): Authority | CertificateProblem {
  if (isPrivateKey(block)) {
    return {
      reason: 'PrivateKeyPasted',
      message: `${place} is a private key, which nobody else may have: remove it, and consider it compromised`,
    };
  }
  if (block.label !== 'CERTIFICATE') {
    return { reason: 'CertificateInvalid', message: `${place} is not a CERTIFICATE block` };
  }
  const certificate = read(block.text);
  if (!certificate)
    return { reason: 'CertificateInvalid', message: `${place} cannot be read as a certificate; was all of it copied?` };
  const name = `${place} (${certificate.subject})`;
  if (!certificate.isAnchor) {
    return {
      reason: 'NotACertificateAuthority',
      message: `${name} is not a certificate authority: give the CA that signed it, "${certificate.issuer}"`,
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

import { X509Certificate } from 'node:crypto';
import { InvalidInputError } from './errors.ts';

/** PEM texts as people paste them: found and read in one place, so that all programs agree on what counts. */

const BEGIN = /-----BEGIN ([A-Z0-9 ]+)-----/;
/** A block reaches to the next one. Looking for its end in all the rest takes minutes for a text that is full of beginnings. */
const BEFORE_BLOCK = /(?=-----BEGIN [A-Z0-9 ]+-----)/;

export interface PemBlock {
  /** `CERTIFICATE`, `PRIVATE KEY` … */
  readonly label: string;
  /** The block, with whatever is between it and the next one. */
  readonly text: string;
}

/** The blocks of a text, in their order. */
export function pemBlocks(text: string): PemBlock[] {
  return text.split(BEFORE_BLOCK).flatMap((part) => {
    const label = BEGIN.exec(part)?.[1];
    return label === undefined ? [] : [{ label, text: part }];
  });
}

/** Whether a block with this label is a secret. */
export function isPrivateKey({ label }: Pick<PemBlock, 'label'>): boolean {
  return label.includes('PRIVATE KEY');
}

/** undefined where the block cannot be read as a certificate. */
export function readCertificate(block: string): X509Certificate | undefined {
  try {
    return new X509Certificate(block);
  } catch {
    return undefined;
  }
}

/**
 * The certificates in a text, in their order.
 *
 * A CA without a certificate would make Node trust every public one, and Node passes over a block that it cannot read.
 * So both are refused here.
 *
 * @param where the text is from, for the messages: `CONNECT_CA_FILE`
 * @throws InvalidInputError; a private key pasted by mistake is named as what it is, and never shown
 */
export function certificatesOf(text: string, where: string): X509Certificate[] {
  const blocks = pemBlocks(text);
  if (blocks.some(isPrivateKey)) {
    throw new InvalidInputError(
      `${where}: holds a private key; remove it there, and make a new one, since this file is read by others`,
    );
  }
  const certificates = blocks.filter(({ label }) => label === 'CERTIFICATE');
  if (certificates.length === 0) throw new InvalidInputError(`${where}: holds no CERTIFICATE block; expected PEM`);
  return certificates.map((block, index) => {
    const certificate = readCertificate(block.text);
    if (certificate) return certificate;
    throw new InvalidInputError(`${where}: block ${index + 1} is not a certificate`);
  });
}

/** As {@link certificatesOf}, in canonical PEM. */
export function requireCertificates(text: string, where: string): string {
  return certificatesOf(text, where).map(canonicalPem).join('');
}

/**
 * Whether servers can be verified with a certificate that is given as their CA: with a CA's, and with one that is self-signed.
 * The latter is what OpenSSL takes as well, whatever else the certificate says: a server's own certificate (`CA:FALSE`), and a
 * CA of X.509 version 1, which has no field to say that it is one.
 */
export function isAnchor(certificate: X509Certificate): boolean {
  try {
    return certificate.ca || (certificate.subject === certificate.issuer && certificate.verify(certificate.publicKey));
  } catch {
    // Node may not know the kind of its key; then it could not verify a server with it either.
    return false;
  }
}

/**
 * A subject or an issuer in one line. Node's types say that it is a text, and yet a certificate may have no name at all: public
 * CAs name servers only in the SAN by now.
 */
export function distinguishedName(name: string | undefined): string {
  return name?.replaceAll('\n', ', ') || NO_NAME;
}

const NO_NAME = '(no name)';

const BASE64_LINE = 64;

/** A certificate in PEM that does not depend on the blanks and line ends of the text it was read from; ends with a line end. */
export function canonicalPem(certificate: X509Certificate): string {
  const lines = certificate.raw.toString('base64').match(new RegExp(`.{1,${BASE64_LINE}}`, 'g')) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

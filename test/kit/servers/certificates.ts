import 'reflect-metadata';
import { createPrivateKey, sign, webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsageExtension,
  type Extension,
  type JsonGeneralName,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

/** Certificates for test servers, each site with a CA of its own, as hospitals have. */

cryptoProvider.set(webcrypto as never);

const KEY = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY_MS = 24 * 60 * 60 * 1000;
/** Of a server's certificate. In the last 30 days conditions would say that it expires. */
const VALID_DAYS = 90;

export interface ServerCertificate {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateOptions {
  /** `CN=nats` by default; empty for a certificate without a subject, as public CAs issue them. */
  readonly subject?: string;
  /** What it is for: DNS names and IP addresses; by default 127.0.0.1, ::1 and localhost; none for a certificate without a SAN. */
  readonly names?: readonly JsonGeneralName[];
  /** Days from now; negative for the past. */
  readonly notBefore?: number;
  readonly notAfter?: number;
  /** A server's by default. */
  readonly usage?: keyof typeof USAGES;
  /** Bits of an RSA key; by default a key of P-256 is made. */
  readonly rsaBits?: number;
}

export interface CertificateAuthority {
  /** The CA's own certificate, PEM. */
  readonly ca: string;
  /** A certificate for a server, without its CA's. */
  issue(options?: CertificateOptions): Promise<ServerCertificate>;
  /** A CA below this one, with a new key. */
  issueAuthority(name: string): Promise<CertificateAuthority>;
}

const USAGES = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' } as const;

type AuthorityOptions = Pick<CertificateOptions, 'notBefore' | 'notAfter'> & {
  /** How many CAs may be below it; absent: any number. */
  readonly pathLength?: number;
};

const LOCAL: readonly JsonGeneralName[] = [
  { type: 'ip', value: '127.0.0.1' },
  { type: 'ip', value: '::1' },
  { type: 'dns', value: 'localhost' },
];

/** Makes a CA with a new key. @param name empty for one that has no name */
export async function createCertificateAuthority(
  name: string,
  { notBefore = -1, notAfter = 365, pathLength }: AuthorityOptions = {},
): Promise<CertificateAuthority> {
  const keys = await generateKeys();
  const ca = await X509CertificateGenerator.createSelfSigned({
    name: name === '' ? '' : `CN=${name}`,
    keys,
    signingAlgorithm: KEY,
    notBefore: daysFromNow(notBefore),
    notAfter: daysFromNow(notAfter),
    extensions: authorityExtensions(pathLength),
  });
  return authority(pemOf(ca), ca.subject, keys);
}

function authorityExtensions(pathLength?: number): Extension[] {
  return [
    new BasicConstraintsExtension(true, pathLength, true),
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
  ];
}

function authority(ca: string, subject: string, keys: webcrypto.CryptoKeyPair): CertificateAuthority {
  return {
    ca,
    issue: (options = {}) => issue(subject, keys.privateKey, options),
    issueAuthority: async (name) => {
      const below = await generateKeys();
      const certificate = await X509CertificateGenerator.create({
        subject: `CN=${name}`,
        issuer: subject,
        publicKey: below.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: KEY,
        notBefore: daysFromNow(-1),
        notAfter: daysFromNow(365),
        extensions: authorityExtensions(),
      });
      return authority(pemOf(certificate), certificate.subject, below);
    },
  };
}

/** A server's certificate that it issued to itself, and that says that it is not a CA's. */
export async function createSelfSigned(name: string): Promise<ServerCertificate> {
  const keys = await generateKeys();
  const cert = await X509CertificateGenerator.createSelfSigned({
    name: name === '' ? '' : `CN=${name}`,
    keys,
    signingAlgorithm: KEY,
    notBefore: daysFromNow(-1),
    notAfter: daysFromNow(VALID_DAYS),
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new SubjectAlternativeNameExtension([...LOCAL]),
      new ExtendedKeyUsageExtension([USAGES.server]),
    ],
  });
  return { cert: pemOf(cert), key: await exportKey(keys.privateKey) };
}

/** A CA whose certificate is of X.509 version 1, as old ones are: without any extension, so that nothing says that it is one. */
export async function createVersion1Authority(name: string): Promise<CertificateAuthority> {
  const keys = await generateKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    keys,
    signingAlgorithm: KEY,
    notBefore: daysFromNow(-1),
    notAfter: daysFromNow(365),
  });
  const [body, algorithm] = derParts(Buffer.from(certificate.rawData));
  if (!body || !algorithm) throw new Error('not a certificate');
  // The version and the extensions are the parts with the context-specific tags 0 and 3.
  const version1 = der(0x30, ...derParts(body).filter(([tag]) => tag !== 0xa0 && tag !== 0xa3));
  const signature = sign('sha256', version1, createPrivateKey(await exportKey(keys.privateKey)));
  const raw = der(0x30, version1, algorithm, der(0x03, Buffer.from([0]), signature));
  return authority(pemBlock('CERTIFICATE', raw), certificate.subject, keys);
}

/** The elements in a DER sequence, each with its tag and length. */
function derParts(sequence: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  const { end, length } = derHeader(sequence, 0);
  for (let at = end - length; at < sequence.length; ) {
    const next = derHeader(sequence, at).end;
    parts.push(sequence.subarray(at, next));
    at = next;
  }
  return parts;
}

function derHeader(bytes: Buffer, at: number): { readonly length: number; readonly end: number } {
  const first = bytes.readUInt8(at + 1);
  const more = first < 0x80 ? 0 : first - 0x80;
  const length = more === 0 ? first : bytes.readUIntBE(at + 2, more);
  return { length, end: at + 2 + more + length };
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

async function issue(
  issuer: string,
  signingKey: webcrypto.CryptoKey,
  options: CertificateOptions,
): Promise<ServerCertificate> {
  const { names = LOCAL } = options;
  const keys = await generateKeys(options.rsaBits);
  const cert = await X509CertificateGenerator.create({
    subject: options.subject ?? 'CN=nats',
    issuer,
    publicKey: keys.publicKey,
    signingKey,
    signingAlgorithm: KEY,
    notBefore: daysFromNow(options.notBefore ?? -1),
    notAfter: daysFromNow(options.notAfter ?? VALID_DAYS),
    extensions: [
      ...(names.length > 0 ? [new SubjectAlternativeNameExtension([...names])] : []),
      new ExtendedKeyUsageExtension([USAGES[options.usage ?? 'server']]),
    ],
  });
  return { cert: pemOf(cert), key: await exportKey(keys.privateKey) };
}

function pemOf(certificate: X509Certificate): string {
  return `${certificate.toString('pem')}\n`;
}

async function generateKeys(rsaBits?: number): Promise<webcrypto.CryptoKeyPair> {
  const rsa = { name: 'RSASSA-PKCS1-v1_5', publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' };
  return rsaBits === undefined
    ? webcrypto.subtle.generateKey(KEY, true, ['sign', 'verify'])
    : webcrypto.subtle.generateKey({ ...rsa, modulusLength: rsaBits }, true, ['sign', 'verify']);
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  return pemBlock('PRIVATE KEY', Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key)));
}

function pemBlock(label: string, bytes: Buffer): string {
  const lines = bytes.toString('base64').replace(/.{1,64}/g, '$&\n');
  return `-----BEGIN ${label}-----\n${lines}-----END ${label}-----\n`;
}

function daysFromNow(days: number): Date {
  return new Date(Date.now() + days * DAY_MS);
}

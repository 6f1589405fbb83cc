import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsageExtension,
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

export interface ServerCertificate {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateOptions {
  /** What it is for: DNS names and IP addresses; by default 127.0.0.1 and localhost. */
  readonly names?: readonly JsonGeneralName[];
  /** Days from now; negative for the past. */
  readonly notBefore?: number;
  readonly notAfter?: number;
}

export interface CertificateAuthority {
  /** The CA's own certificate, PEM. */
  readonly ca: string;
  issue(options?: CertificateOptions): Promise<ServerCertificate>;
}

const LOCAL: readonly JsonGeneralName[] = [
  { type: 'ip', value: '127.0.0.1' },
  { type: 'dns', value: 'localhost' },
];

/** Makes a CA with a new key. */
export async function createCertificateAuthority(
  name: string,
  { notBefore = -1, notAfter = 365 }: Pick<CertificateOptions, 'notBefore' | 'notAfter'> = {},
): Promise<CertificateAuthority> {
  const keys = await generateKeys();
  const ca = await X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    keys,
    signingAlgorithm: KEY,
    notBefore: daysFromNow(notBefore),
    notAfter: daysFromNow(notAfter),
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  });
  return { ca: pemOf(ca), issue: (options = {}) => issue(ca, keys, options) };
}

async function issue(
  ca: X509Certificate,
  caKeys: webcrypto.CryptoKeyPair,
  options: CertificateOptions,
): Promise<ServerCertificate> {
  const keys = await generateKeys();
  const cert = await X509CertificateGenerator.create({
    subject: 'CN=nats',
    issuer: ca.subject,
    publicKey: keys.publicKey,
    signingKey: caKeys.privateKey,
    signingAlgorithm: KEY,
    notBefore: daysFromNow(options.notBefore ?? -1),
    notAfter: daysFromNow(options.notAfter ?? 30),
    extensions: [
      new SubjectAlternativeNameExtension([...(options.names ?? LOCAL)]),
      new ExtendedKeyUsageExtension(['1.3.6.1.5.5.7.3.1']),
    ],
  });
  return { cert: pemOf(cert), key: await exportKey(keys.privateKey) };
}

function pemOf(certificate: X509Certificate): string {
  return `${certificate.toString('pem')}\n`;
}

async function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(KEY, true, ['sign', 'verify']);
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key));
  const lines = der.toString('base64').replace(/.{1,64}/g, '$&\n');
  return `-----BEGIN PRIVATE KEY-----\n${lines}-----END PRIVATE KEY-----\n`;
}

function daysFromNow(days: number): Date {
  return new Date(Date.now() + days * DAY_MS);
}

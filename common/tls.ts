import { isIP } from 'node:net';
import {
  type ConnectionOptions,
  checkServerIdentity,
  createSecureContext,
  type DetailedPeerCertificate,
  type SecureContext,
  type SecureContextOptions,
} from 'node:tls';
import type { Reason } from './contract/reasons.ts';
import { canonicalPem, certificatesOf, isAnchor } from './pem.ts';

/** How servers with TLS are verified, and what a failure means. One place, since a difference would be a hole. */

/**
 * The settings with which a NATS server is verified.
 *
 * The client library turns an open socket into a TLS one, and there Node compares the certificate with 'localhost', or with
 * nothing at all where the server is an IP address. So the name to compare with is given here, whatever Node passes.
 *
 * @param expectedName the name or address that the certificate must be for
 * @param ca PEM of the only authorities that count; absent: the roots that Node trusts
 * @param onVerified is told when the first certificate of a chain that a CA vouches for expires, in milliseconds since 1970
 * @throws InvalidInputError for a CA that holds no certificate
 */
export function verification(
  expectedName: string,
  ca: string | undefined,
  onVerified?: (expires: number) => void,
): ConnectionOptions {
  return { ...trusting(ca), ...expecting(expectedName, onVerified) };
}

/**
 * As {@link verification}, for who connects many times with the same CA: what OpenSSL makes of a CA, some 100 KB, is made once and
 * shared.
 *
 * @throws InvalidInputError for a CA that holds no certificate
 */
export function sharedVerification(
  ...[expectedName, ca, onVerified]: Parameters<typeof verification>
): ConnectionOptions {
  return { secureContext: sharedContext(ca), ...expecting(expectedName, onVerified) };
}

/** A CA of each node that an operator looks after; one that is not there is made again. */
const MOST_CONTEXTS = 64;
/** The one that was used longest ago is the first. */
const contexts = new Map<string | undefined, SecureContext>();

function sharedContext(ca: string | undefined): SecureContext {
  const context = contexts.get(ca) ?? createSecureContext(trusting(ca));
  contexts.delete(ca);
  contexts.set(ca, context);
  const [oldest] = contexts.keys();
  if (contexts.size > MOST_CONTEXTS) contexts.delete(oldest);
  return context;
}

function trusting(ca: string | undefined): SecureContextOptions & Pick<ConnectionOptions, 'allowPartialTrustChain'> {
  return { minVersion: 'TLSv1.2', ...(ca !== undefined && anchors(ca)) };
}

function expecting(
  expectedName: string,
  onVerified: (expires: number) => void = () => undefined,
): Pick<ConnectionOptions, 'rejectUnauthorized' | 'servername' | 'checkServerIdentity'> {
  return {
    rejectUnauthorized: true,
    // TLS allows no IP address there.
    servername: isIP(expectedName) ? '' : expectedName,
    checkServerIdentity: (_host, certificate) => {
      const expires = firstExpiry(certificate as DetailedPeerCertificate);
      if (expires !== undefined) onVerified(expires);
      return checkServerIdentity(expectedName, certificate);
    },
  };
}

/** More certificates than any chain has. */
const MAX_CHAIN = 10;

/**
 * When the first certificate in a chain expires: from then on the server is refused. Its CA's counts as well.
 *
 * @returns milliseconds since 1970; undefined where no certificate says it. Never throws: an exception in a listener of a socket
 *   would end the process.
 */
function firstExpiry(leaf: DetailedPeerCertificate): number | undefined {
  let first: number | undefined;
  let next: DetailedPeerCertificate | undefined = leaf;
  // A root is its own issuer.
  for (let depth = 0; next?.valid_to !== undefined && depth < MAX_CHAIN; depth += 1) {
    const expires = Date.parse(next.valid_to);
    if (!Number.isNaN(expires)) first = Math.min(first ?? expires, expires);
    next = next.issuerCertificate === next ? undefined : next.issuerCertificate;
  }
  return first;
}

/**
 * The settings with which only the given certificates count.
 *
 * With `allowPartialTrustChain` each of them is an anchor, also one that is not self-signed: who gives an issuing CA trusts
 * what that CA issues, and its root need not be there. This never trusts more than was given. OpenSSL still demands that an
 * issuer is a CA, so that a server's own certificate vouches for itself and for nothing else.
 *
 * A server's certificate that another CA issued is left out, although the flag would let it count. It would work until the
 * server has its next certificate; the operator refuses it as well.
 *
 * @param ca PEM
 * @throws InvalidInputError where it holds no certificate, or none that can be an anchor
 */
export function anchors(ca: string): Pick<ConnectionOptions, 'ca' | 'allowPartialTrustChain'> {
  const given = certificatesOf(ca, 'the CA');
  const counting = given.filter(isAnchor);
  // Node takes its own roots where it is given none, so a refusal is left to the handshake with what was given.
  if (counting.length === 0) return { ca: given.map(canonicalPem) };
  return { ca: counting.map(canonicalPem), allowPartialTrustChain: true };
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

/** A failure of TLS: its reason, and what was seen, as the end of a sentence that begins with the server. */
export interface TlsFailure {
  readonly reason: TlsReason;
  /** The first code in the chain of causes that names the failure. */
  readonly code: string;
  readonly what: string;
}

const NO_KNOWN_ISSUER = 'its certificate is not signed by a CA that is trusted for it';

/**
 * What Node 24 (OpenSSL 3.5) throws at a client, with what it means. Each row is provoked on a real server in
 * `test/integration/common/tls-errors.test.ts`. Node names certificate errors by `X509ErrorCode` (`crypto_common.cc`) and calls those
 * that it has no name for UNSPECIFIED; other errors have OpenSSL's words. Node has names for more, which need revocation lists
 * or settings that we do not use.
 */
const FAILURES: readonly (readonly [codes: RegExp, reason: TlsReason, what: string])[] = [
  [/^CERT_HAS_EXPIRED$/, 'CertificateExpired', 'its certificate, or that of its CA, has expired'],
  [/^CERT_NOT_YET_VALID$/, 'CertificateNotYetValid', 'its certificate, or that of its CA, is not valid yet'],
  [/^ERR_TLS_CERT_ALTNAME_INVALID$/, 'HostNameMismatch', 'its certificate is for another name'],
  // A proxy that serves many names and does not know this one.
  [/^ERR_SSL_TLSV1_UNRECOGNIZED_NAME$/, 'HostNameMismatch', 'it has no certificate for the name it was asked for'],
  // The first one where no CA was given, the second one where there was.
  [/^UNABLE_TO_VERIFY_LEAF_SIGNATURE$/, 'NotTrusted', NO_KNOWN_ISSUER],
  [/^UNABLE_TO_GET_ISSUER_CERT_LOCALLY$/, 'NotTrusted', NO_KNOWN_ISSUER],
  [/^SELF_SIGNED_CERT_IN_CHAIN$/, 'NotTrusted', NO_KNOWN_ISSUER],
  [/^DEPTH_ZERO_SELF_SIGNED_CERT$/, 'NotTrusted', 'its certificate is self-signed, and is not itself given as the CA'],
  [
    /^CERT_SIGNATURE_FAILURE$/,
    'NotTrusted',
    'the CA given has the name of the one that issued its certificate, but another key: has that CA been made again?',
  ],
  [
    /^INVALID_PURPOSE$/,
    'NotTrusted',
    'its certificate is not one for servers, or was issued by a certificate that may not issue any',
  ],
  [/^PATH_LENGTH_EXCEEDED$/, 'NotTrusted', 'there are more intermediate CAs above its certificate than its CA allows'],
  // A key or a signature that is too weak, a critical extension that nobody knows, a name that its CA may not certify.
  [/^UNSPECIFIED$/, 'NotTrusted', 'its certificate is refused by OpenSSL'],
  // With TLS 1.3 this comes after the handshake.
  [/^ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED$/, 'ClientCertificateRequired', 'it demands a client certificate'],
  // What Java's servers say with TLS 1.2.
  [/^ERR_SSL_SSL\/TLS_ALERT_BAD_CERTIFICATE$/, 'ClientCertificateRequired', 'it demands a client certificate'],
  [/^ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION$/, 'TlsRequired', 'it does not speak TLS 1.2 or later'],
  // Go and OpenSSL say the same for both.
  [
    /^ERR_SSL_SSL\/TLS_ALERT_HANDSHAKE_FAILURE$/,
    'TlsRequired',
    'it ended the TLS handshake: either it demands a client certificate, or it knows none of our ciphers',
  ],
  [/^ERR_SSL_WRONG_VERSION_NUMBER$/, 'TlsRequired', 'what it answers is not TLS'],
  [/^ERR_SSL_/, 'TlsRequired', 'the TLS handshake failed'],
];

/**
 * What an error says about TLS; undefined where it is about something else.
 *
 * @param error of Node, or of a client library that holds one
 */
export function tlsFailure(error: unknown): TlsFailure | undefined {
  for (const each of errorChain(error)) {
    const { code } = each;
    const found = typeof code === 'string' ? FAILURES.find(([codes]) => codes.test(code)) : undefined;
    if (found) return { reason: found[1], code: String(code), what: inWords(String(code), found[2], each.message) };
  }
  return undefined;
}

/** OpenSSL's own words are added where the code alone says nothing, after the prefix that kafkajs puts before them. */
function inWords(code: string, what: string, message: string): string {
  if (code === 'UNSPECIFIED') return `${what}: ${message.replace(/^Connection error: /, '')}`;
  if (what !== 'the TLS handshake failed') return what;
  const [, words] = /SSL routines:[^:]*:([^:]+)/.exec(message) ?? [];
  return words === undefined ? `${what} (${code})` : `${what}: ${words}`;
}

/** Whether it was the server's certificate that was refused. */
export function isCertificateReason(reason: TlsReason | undefined): boolean {
  return reason !== undefined && reason !== 'ClientCertificateRequired' && reason !== 'TlsRequired';
}

/** Whether the other side closed the connection before TLS was agreed on. Node's code for that, ECONNRESET, has other meanings. */
export function hungUpInHandshake(error: unknown): boolean {
  return errorChain(error).some(({ message }) => message.includes(HUNG_UP));
}

const HUNG_UP = 'disconnected before secure TLS connection was established';

interface LibraryError extends Error {
  readonly code?: unknown;
  /** Of the NATS client. */
  readonly chainedError?: unknown;
  /** Of kafkajs. */
  readonly originalError?: unknown;
}

const MAX_DEPTH = 10;

/** An error and those inside it, from the outside: client libraries hold Node's error in a field of their own. */
export function errorChain(error: unknown): readonly LibraryError[] {
  const chain: LibraryError[] = [];
  for (let next = error; next instanceof Error && chain.length < MAX_DEPTH; ) {
    const each: LibraryError = next;
    chain.push(each);
    next = each.chainedError ?? each.cause ?? each.originalError;
  }
  return chain;
}

/** The codes of an error and of those inside it, from the outside. */
export function errorCodes(error: unknown): readonly string[] {
  return errorChain(error).flatMap(({ code }) => (typeof code === 'string' ? [code] : []));
}

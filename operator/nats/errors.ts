import { ErrorCode, type NatsError } from 'nats';
import { type Reason, TransientError } from '../../common/errors.ts';

/** Which server an error is about. */
export interface Place {
  /** `host:port` */
  readonly server: string;
  readonly secure: boolean;
  /** The name or address that the server's certificate must be for. */
  readonly expectedName: string;
  /** Ours. */
  readonly publicKey: string;
}

interface Rule {
  readonly codes: RegExp;
  readonly reason: Reason;
  readonly says: (place: Place) => string;
}

const TLS = /^(?:ERR_SSL|ERR_TLS|EPROTO$|TLS$|CERT_|SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_)/;
const RULES: readonly Rule[] = [
  rule(/^CERT_HAS_EXPIRED$/, 'CertificateExpired', () => "its certificate, or its CA's, has expired: renew it"),
  rule(/^CERT_NOT_YET_VALID$/, 'CertificateNotYetValid', () => 'its certificate is not valid yet: compare the clocks'),
  rule(
    /^ERR_TLS_CERT_ALTNAME_INVALID$/,
    'HostNameMismatch',
    ({ expectedName }) =>
      `its certificate is not for ${expectedName}: have that name put into it, or correct nats.servers`,
  ),
  rule(
    /^(?:UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_|CRL_|INVALID_(?:CA|PURPOSE)|PATH_LENGTH_|HOSTNAME_|EE_KEY_|CA_(?:KEY|MD)_|ERROR_IN_)/,
    'NotTrusted',
    () => 'its certificate is not from the CA that nats.ca names: put the CA that issued it there',
  ),
  rule(
    /^ERR_SSL.*(?:CERTIFICATE_REQUIRED|BAD_CERTIFICATE)/,
    'PermissionDenied',
    () => 'it demands a client certificate, and lfh-sync has none: remove "verify" from its tls block',
  ),
  rule(
    /^SERVER_OPT_NA$/,
    'TlsRequired',
    () => 'it does not speak TLS: give it a tls block, or write nats:// in nats.servers',
  ),
  rule(TLS, 'TlsRequired', () => 'it does not speak TLS 1.2 or later'),
  rule(
    /^(?:AUTHORIZATION_VIOLATION|AUTHENTICATION_EXPIRED|ACCOUNT_EXPIRED)$/,
    'KeyRefused',
    ({ publicKey }) => `it does not know the key ${publicKey}`,
  ),
  rule(
    /^PERMISSIONS_VIOLATION$/,
    'PermissionDenied',
    ({ publicKey }) => `it does not let ${publicKey} do this: that user must be without permissions of its own`,
  ),
  unreachable(/^(?:ECONNREFUSED|CONNECTION_REFUSED)$/, 'nothing listens there'),
  unreachable(/^ENOTFOUND$/, 'the name is not known to DNS'),
  unreachable(/^EAI_AGAIN$/, 'DNS does not answer'),
  unreachable(/^E(?:HOST|NET)UNREACH$/, 'there is no route to it'),
  unreachable(/^(?:ETIMEDOUT|TIMEOUT|CONNECTION_TIMEOUT)$/, 'it does not answer as a NATS server does'),
  unreachable(/^AUTHENTICATION_TIMEOUT$/, 'signing in took too long'),
];
const OTHERWISE = rule(/^/, 'Unreachable', () => 'it broke off the connection; its log should say why');

/**
 * Translates what ended a connection to one of the node's own servers, or a request on it.
 *
 * Shorter than what the sidecar says of peers' servers: this one's administrator is who reads it.
 */
export function translate(error: unknown, place: Place): TransientError {
  if (error instanceof TransientError) return error;
  const codes = codesOf(error);
  const found = RULES.find((candidate) => codes.some((code) => candidate.codes.test(code))) ?? OTHERWISE;
  const { reason, says } = !place.secure && codes.some((code) => TLS.test(code)) ? PLAINTEXT : found;
  const options = error === undefined ? undefined : { cause: error };
  return new TransientError(reason, `NATS server ${place.server}: ${says(place)}`, options);
}

const PLAINTEXT = rule(TLS, 'TlsRequired', () => 'it demands TLS: write tls:// instead of nats:// in nats.servers');

function rule(codes: RegExp, reason: Reason, says: Rule['says']): Rule {
  return { codes, reason, says };
}

function unreachable(codes: RegExp, why: string): Rule {
  return rule(codes, 'Unreachable', () => `it cannot be reached, ${why}: is it running?`);
}

/** Node's and the library's errors both carry one, and the latter may hold one of the former. */
function codesOf(error: unknown): string[] {
  const codes: string[] = [];
  for (let next = error; next instanceof Error; next = (next as NatsError).chainedError ?? next.cause) {
    const { code } = next as { code?: unknown };
    if (typeof code === 'string') codes.push(code);
  }
  return codes;
}

/** Whether nobody listens on the subject of a request. */
export function isNoResponders(error: unknown): boolean {
  return codesOf(error).includes(ErrorCode.NoResponders);
}

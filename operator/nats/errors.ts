import { ErrorCode, type NatsError } from 'nats';
import type { Reason } from '../../common/contract/reasons.ts';
import { TransientError } from '../../common/errors.ts';
import { type TlsReason, tlsReason } from '../../common/tls.ts';

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

/** What this node's administrator should do about a failure of TLS. */
const TLS_ADVICE: Readonly<Record<TlsReason, (place: Place) => string>> = {
  CertificateExpired: () => "its certificate, or its CA's, has expired: renew it",
  CertificateNotYetValid: () => 'its certificate is not valid yet: compare the clocks',
  HostNameMismatch: ({ expectedName }) =>
    `its certificate is not for ${expectedName}: have that name put into it, or correct nats.servers`,
  NotTrusted: () => 'its certificate is not from the CA that nats.ca names: put the CA that issued it there',
  ClientCertificateRequired: () =>
    'it demands a client certificate, and lfh-sync has none: remove "verify" from its tls block',
  TlsRequired: () => 'it does not speak TLS 1.2 or later',
};

const RULES: readonly Rule[] = [
  rule(
    /^SERVER_OPT_NA$/,
    'TlsRequired',
    () => 'it does not speak TLS: give it a tls block, or write nats:// in nats.servers',
  ),
  rule(/^TLS$/, 'TlsRequired', TLS_ADVICE.TlsRequired),
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
  const { reason, says } = tlsRuleOf(codes, place) ?? ruleOf(codes) ?? OTHERWISE;
  const options = error === undefined ? undefined : { cause: error };
  return new TransientError(reason, `NATS server ${place.server}: ${says(place)}`, options);
}

function tlsRuleOf(codes: readonly string[], { secure }: Place): Pick<Rule, 'reason' | 'says'> | undefined {
  const reason = codes.map(tlsReason).find((found) => found !== undefined);
  if (!secure && (reason !== undefined || codes.includes(ErrorCode.Tls))) return PLAINTEXT;
  return reason && { reason, says: TLS_ADVICE[reason] };
}

const PLAINTEXT: Pick<Rule, 'reason' | 'says'> = {
  reason: 'TlsRequired',
  says: () => 'it demands TLS: write tls:// instead of nats:// in nats.servers',
};

function ruleOf(codes: readonly string[]): Rule | undefined {
  return RULES.find((candidate) => codes.some((code) => candidate.codes.test(code)));
}

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

import { ErrorCode } from 'nats';
import { clean } from '../../common/clean.ts';
import type { Reason } from '../../common/contract/reasons.ts';
import { TransientError } from '../../common/errors.ts';
import { OLDEST_NATS } from '../../common/nats-version.ts';
import { isOutOfConnections } from '../../common/out-of-connections.ts';
import { describeRefusal, type RefusedCertificate } from '../../common/refused-certificate.ts';
import { errorCodes, hungUpInHandshake, isCertificateReason, type TlsReason, tlsFailure } from '../../common/tls.ts';
import { hungUpAtOnce, isNotNats, spokeBeforeTls } from '../../common/tls-first.ts';

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

/** What this node's administrator should do about a failure of TLS; the sentence before it says what is wrong. */
const TLS_ADVICE: Readonly<Record<TlsReason, string>> = {
  CertificateExpired: 'renew it',
  CertificateNotYetValid: 'compare the clocks',
  HostNameMismatch: 'have that name put into it, or correct nats.servers',
  NotTrusted: 'put the CA that issued it into nats.ca, or give the server a certificate from a CA that is there',
  ClientCertificateRequired: 'lfh-sync has none, so remove "verify" from its tls block',
  TlsRequired: 'compare its tls block',
};

const RULES: readonly Rule[] = [
  rule(
    /^SERVER_OPT_NA$/,
    'TlsRequired',
    () => 'it does not speak TLS: give it a tls block, or write nats:// in nats.servers',
  ),
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
  rule(
    /^MAX_PAYLOAD_EXCEEDED$/,
    'Unreachable',
    () => 'it answers with more than 1 MB at once, which no nats-server does to the operator: correct nats.servers',
  ),
  unreachable(/^ECONNREFUSED$/, 'nothing listens there'),
  unreachable(/^ENOTFOUND$/, 'the name is not known to DNS'),
  unreachable(/^EAI_AGAIN$/, 'DNS does not answer'),
  unreachable(/^E(?:HOST|NET)UNREACH$/, 'there is no route to it'),
  unreachable(/^(?:ETIMEDOUT|TIMEOUT|CONNECTION_TIMEOUT)$/, 'it does not answer as a NATS server does'),
  unreachable(/^AUTHENTICATION_TIMEOUT$/, 'signing in took too long'),
];
const OTHERWISE = rule(/^/, 'Unreachable', () => 'it broke off the connection; its log should say why');

const NOT_NATS: Saying = {
  reason: 'Unreachable',
  says: () => 'what answers there is not a NATS server: correct nats.servers',
};

/**
 * Translates what ended a connection to one of the node's own servers, or a request on it.
 *
 * Shorter than what the sidecar says of peers' servers: this one's administrator is who reads it.
 *
 * @param refused the server's certificates, where it was one of them that was refused
 */
export function translate(error: unknown, place: Place, refused?: RefusedCertificate): TransientError {
  if (error instanceof TransientError) return error;
  const { reason, says } = tlsRuleOf(error, place, refused) ?? ruleOf(error) ?? OTHERWISE;
  const options = error === undefined ? undefined : { cause: readable(error) };
  return new TransientError(reason, `NATS server ${place.server}: ${says(place)}`, options);
}

/** Whether it was the server's certificate that was refused. */
export function isCertificateRefused(error: unknown): boolean {
  return isCertificateReason(tlsFailure(error)?.reason);
}

/** The error for a nats-server that is older than the oldest that will do. */
export function serverTooOld({ server }: Place, version: string | undefined): TransientError {
  return new TransientError(
    'ServerTooOld',
    `NATS server ${server}: it is nats-server ${clean(version ?? '')}, and ${OLDEST_NATS} or later is needed: update it`,
  );
}

type Saying = Pick<Rule, 'reason' | 'says'>;

function tlsRuleOf(
  error: unknown,
  { secure, expectedName }: Place,
  refused: RefusedCertificate = { chain: [], expectedName },
): Saying | undefined {
  const failure = tlsFailure(error);
  if (!failure) return undefined;
  if (!secure) return PLAINTEXT;
  const { reason } = failure;
  return { reason, says: () => `${describeRefusal(failure, refused, Date.now())}: ${TLS_ADVICE[reason]}` };
}

const PLAINTEXT: Saying = {
  reason: 'TlsRequired',
  says: () => 'it demands TLS: write tls:// instead of nats:// in nats.servers',
};

const SPOKE_BEFORE_TLS: Saying = {
  reason: 'Unreachable',
  says: () =>
    'more than a nats-server says came before the TLS handshake: somebody on the way may be adding to it. Look at what is ' +
    'between the operator and this server',
};

const OUT_OF_CONNECTIONS: Saying = {
  reason: 'Unreachable',
  says: ({ publicKey }) =>
    `it refuses one more connection: it has as many as its max_connections allows, for the account of ${publicKey} or in all`,
};

const HUNG_UP: Saying = {
  reason: 'Unreachable',
  says: ({ secure }) =>
    'it accepted the connection and closed it before it said anything' +
    (secure ? ', also when TLS was offered first' : '; if it waits for TLS first, write tls:// in nats.servers'),
};

const HUNG_UP_IN_HANDSHAKE: Saying = {
  reason: 'Unreachable',
  says: () => 'it broke off the connection in the middle of the TLS handshake; its log should say why',
};

/** OpenSSL's words are not for people, and the client library's do not mean what they say. */
function readable(error: unknown): unknown {
  return tlsFailure(error) || hungUpAtOnce(error) ? new Error(errorCodes(error).join(': ')) : error;
}

function ruleOf(error: unknown): Saying | undefined {
  if (hungUpAtOnce(error)) return HUNG_UP;
  if (hungUpInHandshake(error)) return HUNG_UP_IN_HANDSHAKE;
  if (spokeBeforeTls(error)) return SPOKE_BEFORE_TLS;
  if (isOutOfConnections(error)) return OUT_OF_CONNECTIONS;
  if (isNotNats(error)) return NOT_NATS;
  const codes = errorCodes(error);
  return RULES.find((candidate) => codes.some((code) => candidate.codes.test(code)));
}

function rule(codes: RegExp, reason: Reason, says: Rule['says']): Rule {
  return { codes, reason, says };
}

function unreachable(codes: RegExp, why: string): Rule {
  return rule(codes, 'Unreachable', () => `it cannot be reached, ${why}: is it running?`);
}

/** Whether nobody listens on the subject of a request. */
export function isNoResponders(error: unknown): boolean {
  return errorCodes(error).includes(ErrorCode.NoResponders);
}

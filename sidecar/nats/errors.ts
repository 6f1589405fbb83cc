import { ErrorCode } from 'nats';
import { clean } from '../../common/clean.ts';
import type { Reason } from '../../common/contract/reasons.ts';
import { TransientError } from '../../common/errors.ts';
import { OLDEST_NATS } from '../../common/nats-version.ts';
import { isOutOfConnections } from '../../common/out-of-connections.ts';
import { describeRefusal, type RefusedCertificate } from '../../common/refused-certificate.ts';
import { errorCodes, hungUpInHandshake, isCertificateReason, type TlsFailure, tlsFailure } from '../../common/tls.ts';
import { hungUpAtOnce, isNotNats, spokeBeforeTls } from '../../common/tls-first.ts';
import type { MissingPermission } from './peer-client/errors.ts';

/** Whose the node's own server is, as a {@link Remote} names it. */
export const LOCAL_NATS = "this node's NATS";

/** Who is at the other end, for messages. */
export interface Remote {
  /** `host:port` */
  readonly server: string;
  /** Whose administrator can help: the name of a peer, or {@link LOCAL_NATS}. */
  readonly owner: string;
  /** Our public NKey: what we signed in with, or tried to last. */
  readonly publicKey: string;
  /** Our current public NKey, where it was refused and {@link publicKey} is an older one. */
  readonly refusedKey?: string;
  /** The name or address that the server's certificate must be for. */
  readonly expectedName: string;
  readonly secure: boolean;
  /** Whether no lfh-sync looks after that server. */
  readonly manual?: boolean;
}

/** By Node's and the client library's codes. */
const UNREACHABLE: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'the name is not known to DNS',
  EAI_AGAIN: 'DNS does not answer',
  EHOSTUNREACH: 'there is no route to it',
  ENETUNREACH: 'there is no route to it',
  ETIMEDOUT: 'it does not answer',
  ECONNRESET: 'it broke off the connection',
  EPIPE: 'it broke off the connection',
  [ErrorCode.Timeout]: 'it does not answer as a NATS server does',
  [ErrorCode.AuthenticationTimeout]: 'signing in took too long',
};

/** Whether it was the server's certificate that was refused. */
export function isCertificateRefused(error: unknown): boolean {
  return isCertificateReason(tlsFailure(error)?.reason);
}

/**
 * Translates whatever ended a connection, or kept it from being made. It never throws.
 *
 * @param thrown undefined, or CONNECTION_CLOSED, for a connection that was closed without a word
 * @param refused the server's certificates, where it was one of them that was refused
 */
export function translate(thrown: unknown, remote: Remote, refused?: RefusedCertificate): TransientError {
  if (thrown instanceof TransientError) return thrown;
  const error = errorCodes(thrown).includes(ErrorCode.ConnectionClosed) ? undefined : thrown;
  try {
    const { reason, message } =
      tlsProblem(error, remote, refused) ?? accessProblem(error, remote) ?? connectionProblem(error, remote);
    return new TransientError(reason, message, error === undefined ? undefined : { cause: harmless(error) });
  } catch {
    // The other side had a part in the error. Whatever is odd about it, explaining it must not be what fails.
    return new TransientError('Unreachable', `${remote.server} cannot be used, and what it did cannot be explained`);
  }
}

interface Problem {
  readonly reason: Reason;
  readonly message: string;
}

function tlsProblem(error: unknown, remote: Remote, refused: RefusedCertificate | undefined): Problem | undefined {
  const { server, owner, secure, expectedName } = remote;
  if (errorCodes(error).includes(ErrorCode.ServerOptionNotAvailable)) {
    const message = `${server} does not speak TLS: ask the administrator of ${owner} to switch it on`;
    return { reason: 'TlsRequired', message };
  }
  const failure = tlsFailure(error);
  if (!failure) return undefined;
  if (!secure) return { reason: 'TlsRequired', message: `${server} demands TLS: write tls:// instead of nats://` };
  const what = describeRefusal(failure, refused ?? { chain: [], expectedName }, Date.now());
  return { reason: failure.reason, message: `${server} is refused: ${what}. ${remedy(failure, remote)}` };
}

function remedy({ reason, code }: TlsFailure, { owner }: Remote): string {
  const ask = `Ask the administrator of ${owner}`;
  switch (reason) {
    case 'CertificateExpired':
      return `${ask} to renew it; if it is their CA, put the new one into the peer's ca`;
    case 'CertificateNotYetValid':
      return `Check the clocks here and there. ${ask}`;
    case 'HostNameMismatch':
      return `${ask} for a certificate with that name, or set tlsServerName to one of its names`;
    case 'NotTrusted':
      return BROKEN_CERTIFICATE.has(code)
        ? `${ask} for another certificate`
        : `${ask} for the CA, and put it into the peer's ca`;
    case 'ClientCertificateRequired':
      return `lfh-sync signs in with an NKey and has none. ${ask} to remove "verify" from the tls block of the NATS server`;
    default:
      return ask;
  }
}

/** Where no other CA helps. */
const BROKEN_CERTIFICATE: ReadonlySet<string> = new Set(['INVALID_PURPOSE', 'PATH_LENGTH_EXCEEDED', 'UNSPECIFIED']);

/** The error for a nats-server that is older than the oldest that will do. */
export function serverTooOld(
  { server, owner }: Remote,
  version: string | undefined,
  oldest: string = OLDEST_NATS,
): TransientError {
  return new TransientError(
    'ServerTooOld',
    `${server} runs nats-server ${clean(version ?? '')}, and ${oldest} or later is needed: ask the administrator of ` +
      `${owner} to update it`,
  );
}

function accessProblem(error: unknown, remote: Remote): Problem | undefined {
  const codes = errorCodes(error);
  if (codes.some(isKeyRefusal)) return { reason: 'KeyRefused', message: refusalMessage(remote) };
  if (codes.includes(ErrorCode.PermissionsViolation)) {
    const { permissionContext } = error as { readonly permissionContext?: MissingPermission };
    return { reason: 'PermissionDenied', message: permissionMessage(remote, permissionContext) };
  }
  return undefined;
}

function refusalMessage({ server, owner, publicKey, refusedKey, manual }: Remote): string {
  if (owner === LOCAL_NATS) {
    return (
      `${server} refuses our key ${refusedKey ?? publicKey}: see NatsConfigLive of this node's LfhSyncNode, or without an ` +
      "operator add it to the users of the account that connect's stream is in, as docs/sidecar.md says, and reload (it is for " +
      'this server alone, and not the key that peers know)'
    );
  }
  const refused =
    refusedKey === undefined ? `our key ${publicKey}` : `our key ${refusedKey}, and the previous one ${publicKey} too`;
  const them = refusedKey === undefined ? 'it' : 'the former';
  return (
    `${server} refuses ${refused}: ask the administrator of ${owner} to give ${them} access (` +
    (manual
      ? 'a user in its nats-server.conf, as docs/upstream-sites.md says)'
      : 'it must be among the publicKeys of the LfhSyncPeer for this node there)')
  );
}

function connectionProblem(error: unknown, { server, owner, secure }: Remote): Problem {
  const reason = 'Unreachable';
  if (error === undefined) {
    // A server that takes a user's key away closes the connection without a word; the next attempt shows why.
    return { reason, message: `${server} closed the connection without saying why; the next attempt may show it` };
  }
  if (hungUpAtOnce(error)) {
    const tried = secure ? ', also when TLS was offered first' : '; if it waits for TLS first, write tls://';
    const message =
      `${server} accepted the connection and closed it before it said anything${tried}. Check the address, or ask the ` +
      `administrator of ${owner} what listens there`;
    return { reason, message };
  }
  if (isOutOfConnections(error)) {
    const message =
      `${server} refuses one more connection: it has as many as it allows, of ours or in all. Connections that were cut off count ` +
      `there for some minutes; if this lasts, ask the administrator of ${owner}`;
    return { reason, message };
  }
  if (spokeBeforeTls(error)) {
    const message =
      `${server} is not connected to: more than a nats-server says came before the TLS handshake, so somebody on the way may ` +
      `be adding to it. Look at what is between this sidecar and the server, with the administrator of ${owner}`;
    return { reason, message };
  }
  const message =
    `${server} cannot be reached: ${whyUnreachable(error)}. Check the address and the firewalls, or ask the administrator of ` +
    `${owner} whether the NATS server is running`;
  return { reason, message };
}

function whyUnreachable(error: unknown): string {
  if (hungUpInHandshake(error)) return 'it broke off the connection in the middle of the TLS handshake';
  const why = errorCodes(error)
    .map((code) => UNREACHABLE[code])
    .find((text) => text !== undefined);
  return why ?? (isNotNats(error) ? 'what answers there is not a NATS server' : 'the connection was broken off');
}

/** The error for a durable that is not there, or is not as it must be. */
export function consumerMissing(remote: Remote, what: string, cause?: unknown): TransientError {
  return new TransientError(
    'ConsumerMissing',
    `${remote.server} ${what}: ask the administrator of ${remote.owner} ` +
      (remote.manual
        ? 'to make it as docs/upstream-sites.md says'
        : 'whether there is an LfhSyncPeer for this node, and whether its SendReady is true'),
    cause === undefined ? undefined : { cause: harmless(cause) },
  );
}

/** A permission of ours that is missing, in the server's words: which subject, and whether to publish or subscribe. */
function permissionMessage(remote: Remote, context: MissingPermission | undefined): string {
  const what = context
    ? `${context.operation === 'publish' ? 'publish on' : 'subscribe to'} ${clean(context.subject)}`
    : 'do this';
  return (
    `${remote.server} does not allow our key ${remote.publicKey} to ${what}: ask the administrator of ${remote.owner} to ` +
    `give it the permissions that lfh-sync needs${remote.manual ? ' (docs/upstream-sites.md)' : ''}`
  );
}

/** The error as a cause that may be shown: a server chooses the text of its own errors, and OpenSSL's are not for people. */
function harmless(error: unknown): Error {
  if (tlsFailure(error) || hungUpAtOnce(error)) return new Error(errorCodes(error).join(': '));
  const text = error instanceof Error ? error.message : String(error);
  return error instanceof Error && clean(text) === text ? error : new Error(clean(text));
}

function isKeyRefusal(code: string): boolean {
  return (
    code === ErrorCode.AuthorizationViolation ||
    code === ErrorCode.AuthenticationExpired ||
    code === ErrorCode.AccountExpired
  );
}

import type { X509Certificate } from 'node:crypto';
import { ErrorCode, type NatsError } from 'nats';
import type { Reason } from '../../common/contract/reasons.ts';
import { TransientError } from '../../common/errors.ts';
import { isCertificateReason, tlsReason } from '../../common/tls.ts';

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
  /** Our current public NKey, where it was refused and {@link publicKey} is the previous one. */
  readonly refusedKey?: string;
  /** The name or address that the server's certificate must be for. */
  readonly expectedName: string;
  readonly secure: boolean;
}

const UNREACHABLE: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  [ErrorCode.ConnectionRefused]: 'nothing listens there',
  ENOTFOUND: 'the name is not known to DNS',
  EAI_AGAIN: 'DNS does not answer',
  EHOSTUNREACH: 'there is no route to it',
  ENETUNREACH: 'there is no route to it',
  ETIMEDOUT: 'it does not answer',
  [ErrorCode.Timeout]: 'it does not answer as a NATS server does',
  [ErrorCode.AuthenticationTimeout]: 'signing in took too long',
};

/** Why a server's certificate was refused, or undefined where the error is about something else. */
export function certificateReason(error: unknown): Reason | undefined {
  const reason = tlsReason(codeOf(error));
  return isCertificateReason(reason) ? reason : undefined;
}

/**
 * Translates whatever ended a connection, or kept it from being made.
 *
 * @param chain the server's certificates where it was one of them that was refused
 */
export function translate(error: unknown, remote: Remote, chain: readonly X509Certificate[] = []): TransientError {
  if (error instanceof TransientError) return error;
  const { reason, message } =
    tlsProblem(error, remote, chain) ?? accessProblem(error, remote) ?? connectionProblem(error, remote);
  return new TransientError(reason, message, error === undefined ? undefined : { cause: harmless(error) });
}

interface Problem {
  readonly reason: Reason;
  readonly message: string;
}

function tlsProblem(error: unknown, remote: Remote, chain: readonly X509Certificate[]): Problem | undefined {
  const { server, owner, secure } = remote;
  const code = codeOf(error);
  const reason = tlsReason(code);
  const failed = reason ?? (code === ErrorCode.Tls ? 'TlsRequired' : undefined);
  if (!secure && failed) {
    return { reason: 'TlsRequired', message: `${server} demands TLS: write tls:// instead of nats://` };
  }
  if (code === ErrorCode.ServerOptionNotAvailable) {
    const message = `${server} does not speak TLS: ask the administrator of ${owner} to switch it on`;
    return { reason: 'TlsRequired', message };
  }
  if (failed === undefined) return undefined;
  if (failed === 'ClientCertificateRequired') {
    const message =
      `${server} demands a client certificate, and lfh-sync signs in with an NKey: ask the administrator of ${owner} to ` +
      'remove "verify" from the tls block of the NATS server';
    return { reason: failed, message };
  }
  if (failed === 'TlsRequired') {
    return { reason: failed, message: `${server} does not speak TLS 1.2 or later: ask the administrator of ${owner}` };
  }
  return { reason: failed, message: certificateMessage(failed, remote, chain) };
}

function accessProblem(error: unknown, remote: Remote): Problem | undefined {
  const code = codeOf(error);
  if (isKeyRefusal(code)) return { reason: 'KeyRefused', message: refusalMessage(remote) };
  if (code === ErrorCode.PermissionsViolation) {
    const { permissionContext } = error as NatsError;
    return { reason: 'PermissionDenied', message: permissionMessage(remote, permissionContext) };
  }
  return undefined;
}

function refusalMessage({ server, owner, publicKey, refusedKey }: Remote): string {
  const refused =
    refusedKey === undefined ? `our key ${publicKey}` : `our key ${refusedKey}, and the previous one ${publicKey} too`;
  const them = refusedKey === undefined ? 'it' : 'the former';
  const remedy =
    owner === LOCAL_NATS
      ? `see NatsConfigLive of this node's LfhSyncNode, or without an operator add ${them} to the users of the account that ` +
        "connect's stream is in, and reload (it is for this server alone, and not the key that peers know)"
      : `ask the administrator of ${owner} to give ${them} access (it must be among the publicKeys of the LfhSyncPeer for this ` +
        'node there)';
  return `${server} refuses ${refused}: ${remedy}`;
}

function connectionProblem(error: unknown, { server, owner }: Remote): Problem {
  const reason = 'Unreachable';
  if (error === undefined) {
    // A server that takes a user's key away closes the connection without a word; the next attempt tells.
    return { reason, message: `${server} closed the connection without saying why; trying again will tell` };
  }
  const why = UNREACHABLE[codeOf(error)] ?? 'the connection was broken off';
  const message =
    `${server} cannot be reached: ${why}. Check the address and the firewalls, or ask the administrator of ${owner} whether ` +
    'the NATS server is running';
  return { reason, message };
}

/** The error for a durable that is not there, or is not as it must be. */
export function consumerMissing(remote: Remote, what: string, cause?: unknown): TransientError {
  return new TransientError(
    'ConsumerMissing',
    `${remote.server} ${what}: ask the administrator of ${remote.owner} whether there is an LfhSyncPeer for this node, and ` +
      'whether its SendReady is true',
    cause === undefined ? undefined : { cause: harmless(cause) },
  );
}

/** A permission of ours that is missing, in the server's words: which subject, and whether to publish or subscribe. */
export function permissionMessage(remote: Remote, context: NatsError['permissionContext']): string {
  const what = context
    ? `${context.operation === 'publish' ? 'publish on' : 'subscribe to'} ${clean(context.subject)}`
    : 'do this';
  return (
    `${remote.server} does not allow our key ${remote.publicKey} to ${what}: ask the administrator of ${remote.owner} to ` +
    'give it the permissions that lfh-sync needs'
  );
}

/** Text that came from the other side, fit for a log line or a status: printable, and short. */
export function clean(text: string): string {
  const printable = text.replace(/[^\x20-\x7e]/g, '?');
  return printable.length > 300 ? `${printable.slice(0, 300)}…` : printable;
}

/** The error as a cause that may be shown: a server chooses the text of its own errors. */
function harmless(error: unknown): Error {
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

/** Node's and the client library's errors both carry one; some of the latter hold one of the former. */
function codeOf(error: unknown): string {
  for (let next = error; next instanceof Error; next = (next as NatsError).chainedError ?? next.cause) {
    const { code } = next as { code?: unknown };
    if (typeof code === 'string' && code !== ErrorCode.Tls) return code;
    if (!(next as NatsError).chainedError && !next.cause) return typeof code === 'string' ? code : '';
  }
  return '';
}

function certificateMessage(reason: Reason, remote: Remote, chain: readonly X509Certificate[]): string {
  const { server, owner, expectedName } = remote;
  const now = Date.now();
  const leaf = chain[0];
  const ask = `Ask the administrator of ${owner}`;
  switch (reason) {
    case 'CertificateExpired': {
      const expired = chain.find(({ validTo }) => Date.parse(validTo) < now);
      const when = expired
        ? `${describe(expired)} expired on ${day(expired.validTo)}`
        : 'a certificate (or its CA) has expired';
      return `${server} is refused: ${when}. ${ask} to renew it; if it is their CA, put the new one into the peer's ca`;
    }
    case 'CertificateNotYetValid': {
      const early = chain.find(({ validFrom }) => Date.parse(validFrom) > now);
      const when = early
        ? `${describe(early)} is valid from ${day(early.validFrom)}`
        : 'a certificate is not valid yet';
      return `${server} is refused: ${when}, and it is ${day(now)} here. Check the clocks here and there. ${ask}`;
    }
    case 'HostNameMismatch': {
      const names = leaf?.subjectAltName ? clean(leaf.subjectAltName) : 'no name or address at all';
      return (
        `${server} is refused: its certificate${leaf ? ` (${describe(leaf)})` : ''} is for ${names}, not for ` +
        `${expectedName}. ${ask} for a certificate with that name, or set tlsServerName to one of its names`
      );
    }
    default: {
      const issuer = leaf ? `: ${describe(leaf)}, issued by "${oneLine(leaf.issuer)}",` : '';
      return `${server} is refused${issuer} is not signed by the CA given for it. ${ask} for the CA, and put it into the peer's ca`;
    }
  }
}

function describe(certificate: X509Certificate): string {
  return `the certificate of "${oneLine(certificate.subject)}"`;
}

function oneLine(distinguishedName: string): string {
  return clean(distinguishedName.replaceAll('\n', ', '));
}

function day(time: string | number): string {
  return new Date(time).toISOString().replace('T', ' ').slice(0, 16).concat(' UTC');
}

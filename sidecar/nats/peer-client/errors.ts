/**
 * Why a connection to a peer's server failed or ended. The codes are those that nats.js has for the same, so that one table says
 * what they mean, whichever client it was (`sidecar/nats/errors.ts`, `common/tls-first.ts`).
 */
export type ConnectionCode =
  /** The server closed the connection before it said anything. */
  | 'CONNECTION_REFUSED'
  /** It was closed without a word, by the server or by us. */
  | 'CONNECTION_CLOSED'
  | 'TIMEOUT'
  /** The server does not speak TLS. */
  | 'SERVER_OPT_NA'
  | 'NATS_PROTOCOL_ERR'
  | 'AUTHORIZATION_VIOLATION'
  | 'AUTHENTICATION_EXPIRED'
  | 'ACCOUNT_EXPIRED'
  | 'AUTHENTICATION_TIMEOUT'
  | 'PERMISSIONS_VIOLATION'
  /** Anything else that the server gave as its reason. */
  | 'REFUSED_BY_SERVER';

/** What a server does not let us do, in its own words. */
export interface MissingPermission {
  readonly operation: 'publish' | 'subscription';
  readonly subject: string;
}

/** Thrown for a connection that failed or ended. The message may be the server's: it must be cleaned before it is shown. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';
  readonly code: ConnectionCode;
  readonly permissionContext: MissingPermission | undefined;

  constructor(code: ConnectionCode, message: string, permissionContext?: MissingPermission) {
    super(message);
    this.code = code;
    this.permissionContext = permissionContext;
  }
}

/** For bytes that no nats-server sends. They are not quoted, since a patient's may be among them. */
export function protocolError(): ConnectionError {
  return new ConnectionError('NATS_PROTOCOL_ERR', 'the server does not keep to the protocol');
}

const SAID: readonly (readonly [words: string, code: ConnectionCode])[] = [
  ['permissions violation', 'PERMISSIONS_VIOLATION'],
  ['authorization violation', 'AUTHORIZATION_VIOLATION'],
  ['user authentication expired', 'AUTHENTICATION_EXPIRED'],
  ['account authentication expired', 'ACCOUNT_EXPIRED'],
  ['authentication timeout', 'AUTHENTICATION_TIMEOUT'],
];

/** What a server's `-ERR` means (`errors.go` of nats-server). @param text what follows `-ERR` */
export function errorSaid(text: string): ConnectionError {
  const lower = text.toLowerCase();
  const code = SAID.find(([words]) => lower.includes(words))?.[1] ?? 'REFUSED_BY_SERVER';
  const [, operation, subject] = /(Publish|Subscription) to "(\S+)"/.exec(text) ?? [];
  if (operation === undefined || subject === undefined) return new ConnectionError(code, text);
  return new ConnectionError(code, text, {
    operation: operation === 'Publish' ? 'publish' : 'subscription',
    subject,
  });
}

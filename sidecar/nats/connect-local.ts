import { type ConnectionOptions, connect, type NatsConnection } from 'nats';
import { hostAndPort } from '../../common/server-url.ts';
import { type Connected, connectWith, type Dialling, type NatsOptions } from './connection.ts';

/** A connection to the node's own server. */
export type LocalConnected = Connected<NatsConnection>;

/** A server that vanishes without closing the connection is noticed after three of these at the latest. */
const PING_INTERVAL_MS = 10_000;
const MAX_PINGS_UNANSWERED = 2;

/** Connects to the node's own server, by nats.js. As {@link connectWith}. */
export function connectLocal(options: NatsOptions): Promise<LocalConnected> {
  return connectWith({ dial: (dialling) => dial(options, dialling), versionOf }, options);
}

function dial({ name, inboxPrefix }: NatsOptions, { address, attempt, tls, sign }: Dialling): Promise<NatsConnection> {
  return connect({
    servers: hostAndPort(address),
    name,
    inboxPrefix,
    authenticator: sign,
    // The library's type knows only some of what it passes on to Node.
    ...(tls ? { tls: { ...tls, ...attempt.tls } as NonNullable<ConnectionOptions['tls']> } : {}),
    // Node tries all addresses of a name itself.
    resolve: false,
    reconnect: false,
    ignoreClusterUpdates: true,
    timeout: attempt.timeoutMs,
    pingInterval: PING_INTERVAL_MS,
    maxPingOut: MAX_PINGS_UNANSWERED,
    noAsyncTraces: true,
  });
}

/** What the server says about itself, which need not be a text. */
function versionOf({ info }: NatsConnection): string | undefined {
  return typeof info?.version === 'string' ? info.version : undefined;
}

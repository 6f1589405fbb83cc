import { OLDEST_PEER_NATS } from '../../common/nats-version.ts';
import { type Connected, connectWith, type Dialling, type NatsOptions } from './connection.ts';
import type { PeerConnection } from './peer-client/connection.ts';
import { dialPeer } from './peer-client/dial.ts';

export interface PeerOptions extends Omit<NatsOptions, 'allowPlaintext' | 'oldest'> {
  /**
   * How many bytes of a message are kept; {@link KEPT_BYTES} unless given. What comes behind them is read and forgotten, so that
   * no size ends the connection.
   */
  readonly keptBytes?: number | undefined;
}

/** A connection to a peer's server. */
export type PeerConnected = Connected<PeerConnection>;

/** More than any answer that we need has. */
const KEPT_BYTES = 1024 * 1024;

/** Connects to a peer's server, by our own client, and never without TLS. As {@link connectWith}. */
export function connectPeer(options: PeerOptions): Promise<PeerConnected> {
  const client = { dial: (dialling: Dialling) => dial(options, dialling), versionOf };
  return connectWith(client, { ...options, oldest: OLDEST_PEER_NATS, allowPlaintext: false });
}

function dial(options: PeerOptions, { address, attempt, tls = {}, sign }: Dialling): Promise<PeerConnection> {
  const { name, inboxPrefix, keptBytes = KEPT_BYTES } = options;
  return dialPeer({
    address,
    tls,
    handshakeFirst: attempt.tls.handshakeFirst,
    timeoutMs: attempt.timeoutMs,
    sign,
    name,
    inboxPrefix,
    keptBytes,
  });
}

function versionOf({ version }: PeerConnection): string | undefined {
  return version;
}

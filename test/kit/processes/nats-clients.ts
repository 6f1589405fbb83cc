import { pino } from 'pino';
import { connectOnce } from '../../../operator/nats/connection.ts';
import type { UserKey } from '../../../operator/nats/keys.ts';
import { connectLocal } from '../../../sidecar/nats/connect-local.ts';
import { connectPeer } from '../../../sidecar/nats/connect-peer.ts';
import type { NatsOptions } from '../../../sidecar/nats/connection.ts';

export interface ClientOptions {
  readonly ca?: string | undefined;
  readonly tlsServerName?: string;
  /** Only the sidecar asks for it: whose server it is. */
  readonly owner?: string;
  /** Only the sidecar asks for it, at its own server. The operator takes the URL's word. */
  readonly allowPlaintext?: boolean;
}

/** Connects and closes again. Returns the version that the server says it has. */
export type Connect = (server: string, key: UserKey, options: ClientOptions) => Promise<string | undefined>;

function sidecarOptions(server: string, key: UserKey, options: ClientOptions): NatsOptions {
  return {
    server,
    seed: new TextEncoder().encode(key.seed),
    inboxPrefix: '_INBOX.test',
    name: 'lfh-sync test',
    log: pino({ level: 'silent' }),
    ...options,
  };
}

/**
 * How each of the two programs connects to a NATS server, for tests of what both must do alike. The sidecar connects to its own
 * by nats.js and to a peer's by a client of ours.
 */
export const NATS_CLIENTS: Readonly<Record<'sidecar' | 'sidecar, to a peer' | 'operator', Connect>> = {
  sidecar: async (server, key, options) => {
    const { connection } = await connectLocal(sidecarOptions(server, key, options));
    const version = connection.info?.version;
    await connection.close();
    return version;
  },
  'sidecar, to a peer': async (server, key, options) => {
    const { connection } = await connectPeer(sidecarOptions(server, key, options));
    const { version } = connection;
    await connection.close();
    return version;
  },
  operator: async (server, key, { ca, tlsServerName }) => {
    const { connection } = await connectOnce(server, key, {
      ca,
      ...(tlsServerName !== undefined && { tlsServerName }),
    });
    const version = connection.info?.version;
    await connection.close();
    return version;
  },
};

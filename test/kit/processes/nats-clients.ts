import { pino } from 'pino';
import { connectOnce } from '../../../operator/nats/connection.ts';
import type { UserKey } from '../../../operator/nats/keys.ts';
import { connectNats } from '../../../sidecar/nats/connection.ts';

export interface ClientOptions {
  readonly ca?: string | undefined;
  readonly tlsServerName?: string;
  /** Only the sidecar asks for it: whose server it is. */
  readonly owner?: string;
  /** Only the sidecar asks for it. The operator takes the URL's word. */
  readonly allowPlaintext?: boolean;
}

/** Connects and closes again. Returns the version that the server says it has. */
export type Connect = (server: string, key: UserKey, options: ClientOptions) => Promise<string | undefined>;

/** How each of the two programs connects to a NATS server, for tests of what both must do alike. */
export const NATS_CLIENTS: Readonly<Record<'sidecar' | 'operator', Connect>> = {
  sidecar: async (server, key, options) => {
    const { connection } = await connectNats({
      server,
      seed: new TextEncoder().encode(key.seed),
      inboxPrefix: '_INBOX.test',
      name: 'lfh-sync test',
      log: pino({ level: 'silent' }),
      ...options,
    });
    const version = connection.info?.version;
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

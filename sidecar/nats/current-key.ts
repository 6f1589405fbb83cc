import { sleep } from '../../common/backoff.ts';
import type { Closable, Connected, NatsOptions } from './connection.ts';

/** Each refusal is a line in that server's log, and a rotation takes hours, so trying more often would not help. */
export const KEY_RETRY_MS = 60_000;

/**
 * Waits until a server that let us in with an older key accepts the current one.
 *
 * A server does not announce which keys it knows; it asks for a key only when a connection is made. So the current key is
 * tried once in a while on a connection of its own. The existing connection goes on meanwhile: closing it in order to try
 * would cost a take-over each time. Without these attempts the previous key would stay in use for as long as the connection
 * lasts, which may be months, and the operator keeps a previous key while a sidecar uses it, so the rotation could not end.
 *
 * One name may lead to several servers. The server that accepts the current key here may then not be the one that the next
 * connection reaches, and that one may know only the previous key. This costs one more take-over every `everyMs`, until all
 * of these servers know both keys.
 *
 * @param connect connects as the existing connection was made
 * @param options those of the existing connection
 * @returns the connection that the server accepted; undefined when `signal` was aborted first
 */
export async function connectWithCurrentKey<
  Options extends Pick<NatsOptions, 'olderSeeds'>,
  Connection extends Closable,
>(
  connect: (options: Options) => Promise<Connected<Connection>>,
  options: Options,
  everyMs: number,
  signal: AbortSignal,
): Promise<Connected<Connection> | undefined> {
  for (;;) {
    await sleep(everyMs, signal);
    if (signal.aborted) return undefined;
    // A failure is not reported: the existing connection shows how things are.
    const connected = await connect({ ...options, olderSeeds: [] }).catch(() => undefined);
    if (!connected) continue;
    if (!signal.aborted) return connected;
    await connected.connection.close();
  }
}

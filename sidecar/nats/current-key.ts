import { sleep } from '../../common/backoff.ts';
import { type Connected, connectNats, type NatsOptions } from './connection.ts';

/** Each refusal is a line in that server's log, and a rotation takes hours: more often would help nobody. */
export const KEY_RETRY_MS = 60_000;

/**
 * Waits until a server that let us in with the previous key accepts the current one.
 *
 * Nobody would tell us: a server says nothing of the keys it knows, and asks for one only when a connection is made. So the
 * current key is tried once in a while, on a connection of its own. The one that stands is left alone meanwhile, and there
 * is something better to go to when it is given up: breaking it off to try would be a new take-over each time, for nothing.
 * Without this the previous key would be in use for as long as the connection lasts, which may be months, and the operator,
 * which keeps that key while anybody uses it, could never end the rotation.
 *
 * Where one name leads to several servers, the one that answers here may not be the one that is connected to next, and that
 * one may still know the previous key only. That costs one more take-over every `everyMs`, until all of them know both.
 *
 * @param options of the connection that stands
 * @returns the connection that was let in; undefined when `signal` was aborted first
 */
export async function connectWithCurrentKey(
  options: NatsOptions,
  everyMs: number,
  signal: AbortSignal,
): Promise<Connected | undefined> {
  for (;;) {
    await sleep(everyMs, signal);
    if (signal.aborted) return undefined;
    // Why it is refused or not reached now is not worth a word: the connection that stands tells how things are.
    const connected = await connectNats({ ...options, previousSeed: undefined }).catch(() => undefined);
    if (!connected) continue;
    if (!signal.aborted) return connected;
    await connected.connection.close();
  }
}

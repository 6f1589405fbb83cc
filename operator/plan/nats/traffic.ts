import type { PeerConnection } from '../observed/observed.ts';

/**
 * How many messages a peer has sent in each second since the last look, on all its connections together, also those that it has
 * closed since.
 *
 * A server that did not answer the last time may show connections that are new to us and days old. Such a one counts with the
 * average of its whole life. All times are of the server's own clock, but for the time between the looks.
 *
 * @param before the connections at the last look
 * @param seconds since the last look
 * @returns undefined where so little time has passed that it would say nothing
 */
export function messagesPerSecond(
  before: readonly PeerConnection[],
  after: readonly PeerConnection[],
  seconds: number,
): number | undefined {
  if (!(seconds >= 1)) return undefined;
  const known = new Map(before.map(({ id, sent }) => [id, sent]));
  const sent = after.map((connection) => {
    const earlier = known.get(connection.id);
    if (earlier !== undefined) return Math.max(0, connection.sent - earlier);
    if (connection.closedForSeconds > seconds) return 0;
    return connection.sent * Math.min(1, seconds / connection.lastedSeconds);
  });
  return sent.reduce((sum, each) => sum + each, 0) / seconds;
}

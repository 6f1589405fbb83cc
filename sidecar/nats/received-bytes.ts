import type { NatsConnection } from 'nats';

/** The parts of the library's connection that lead to its socket. The library does not publish them. */
interface WithSocket {
  readonly protocol?: { readonly transport?: { readonly socket?: { readonly bytesRead?: number } } };
}

/**
 * How many bytes have arrived on a connection, those of an unfinished message included. Any of them shows that the server is
 * there: over a slow line one message may take longer than any time we would give it.
 *
 * @returns 0 when the connection is closed
 */
export function receivedBytes(connection: NatsConnection): number {
  return (connection as unknown as WithSocket).protocol?.transport?.socket?.bytesRead ?? 0;
}

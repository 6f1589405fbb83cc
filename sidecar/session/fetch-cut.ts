import type { PeerStream } from '../ports.ts';
import { isSameMessage, type Rejected } from '../replay/exception.ts';
import { look } from './prove-stream.ts';

/** A message that LFH_EXCEPTION holds only in part. */
export interface CutMessage extends Pick<Rejected, 'partition' | 'offset' | 'sequence' | 'size'> {
  readonly fingerprint: Parameters<typeof isSameMessage>[2];
}

/** The messages that were fetched, by {@link placeOf}; null for one that the peer's stream does not have any more. */
export type Fetched = ReadonlyMap<string, Uint8Array | null>;

export function placeOf({ partition, offset }: Pick<Rejected, 'partition' | 'offset'>): string {
  return `${partition}:${offset}`;
}

/**
 * Fetches messages from the peer's stream by their sequences, with what a peer may do: it resets its own durable to before each,
 * and pulls one. Reset the durable afterwards, and pull nothing else meanwhile.
 *
 * @throws TransientError where a message is there and does not come
 */
export async function fetchCut(stream: PeerStream, wanted: readonly CutMessage[]): Promise<Fetched> {
  const fetched = new Map<string, Uint8Array | null>();
  for (const cut of wanted) {
    const answer = await stream.reset(cut.sequence - 1);
    const found = answer && (await look(stream, answer));
    const isSame = found?.sequence === cut.sequence && isSameMessage(found.payload, cut.size, cut.fingerprint);
    fetched.set(placeOf(cut), isSame ? found.payload : null);
  }
  return fetched;
}

import type { Msg } from 'nats';

/** The parts of the library's message that it does not publish. */
interface WithSizes {
  readonly _msg: { readonly size: number; readonly hdr: number };
}

export interface Payload {
  /** Of a payload larger than what is kept (`NatsOptions.keptBytes`), its beginning. */
  readonly bytes: Uint8Array;
  /** In bytes, as it was sent. */
  readonly size: number;
}

/**
 * A message's payload, without its headers.
 *
 * The library's is a view of all that came with it, which is a TLS record of up to 16 KB, or headers of up to what is kept: a
 * server could make us hold thousands of times as much as we count. So it is copied where it is the smaller part.
 */
export function payloadOf(message: Msg): Payload {
  const { data } = message;
  return { bytes: data.byteLength * 2 < data.buffer.byteLength ? Uint8Array.from(data) : data, size: sizeOf(message) };
}

/** The size of the payload as it was sent, in bytes. */
export function sizeOf(message: Msg): number {
  const { size, hdr } = sizesOf(message);
  return size - Math.max(hdr, 0);
}

/** Whether a message has headers. The library reads all of them to say so. */
export function hasHeaders(message: Msg): boolean {
  return sizesOf(message).hdr > 0;
}

function sizesOf(message: Msg): WithSizes['_msg'] {
  const { _msg: sizes } = message as unknown as WithSizes;
  return sizes;
}

import { promisify } from 'node:util';
import { zstdDecompress } from 'node:zlib';
import kafkajs from 'kafkajs';
import { inTurns, nextTurn } from '../../../common/turns.ts';
import { decompressLz4 } from './lz4.ts';
import { MOST_BYTES } from './output.ts';
import { decompressSnappy } from './snappy.ts';

const decompressZstd = promisify(zstdDecompress);

/**
 * What kafkajs lacks to read compressed records: it has gzip alone. We write none, but `compression.type` of a topic or of the
 * brokers makes Kafka compress them, and other producers do it by themselves. See docs/adr/0033-our-own-record-batches.md.
 */
export function readAllCompressions(): void {
  const { CompressionCodecs, CompressionTypes } = kafkajs;
  Object.assign(CompressionCodecs, {
    [CompressionTypes.ZSTD]: () => ({
      decompress: (bytes: Buffer) => decompressZstd(bytes, { maxOutputLength: MOST_BYTES }),
    }),
    [CompressionTypes.LZ4]: () => ({ decompress: withTurns(decompressLz4) }),
    [CompressionTypes.Snappy]: () => ({ decompress: withTurns(decompressSnappy) }),
  });
}

/** A fetch may have many batches, a batch may have megabytes, and all peers share one thread. */
function withTurns(decompress: (bytes: Buffer) => Generator<void, Buffer>): (bytes: Buffer) => Promise<Buffer> {
  return async (bytes) => {
    await nextTurn();
    return inTurns(decompress(bytes));
  };
}

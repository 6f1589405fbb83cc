import { promisify } from 'node:util';
import { zstdDecompress } from 'node:zlib';
import kafkajs from 'kafkajs';
import { nextTurn } from '../../../common/turns.ts';
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
    [CompressionTypes.LZ4]: () => ({ decompress: inATurn(decompressLz4) }),
    [CompressionTypes.Snappy]: () => ({ decompress: inATurn(decompressSnappy) }),
  });
}

/** A fetch may have many batches, and all peers share one thread. */
function inATurn(decompress: (bytes: Buffer) => Buffer): (bytes: Buffer) => Promise<Buffer> {
  return async (bytes) => {
    await nextTurn();
    return decompress(bytes);
  };
}

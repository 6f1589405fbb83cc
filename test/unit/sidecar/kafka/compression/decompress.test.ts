import assert from 'node:assert/strict';
import fc from 'fast-check';
import { decompressLz4 } from '../../../../../sidecar/kafka/compression/lz4.ts';
import { CorruptBatchError } from '../../../../../sidecar/kafka/compression/output.ts';
import { decompressSnappy } from '../../../../../sidecar/kafka/compression/snappy.ts';

/** What Kafka itself compresses is read in test/integration/sidecar/kafka-compression.test.ts. These are what it does not write. */
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const SNAPPY_OF_JAVA = '82 534e41505059 00 00000001 00000001';
const LZ4_FRAME = '04224d18 60 40 82';

describe('what is compressed', () => {
  const cases: readonly [what: string, decompress: (bytes: Buffer) => Buffer, bytes: string, text: string][] = [
    ['by Snappy, nothing', decompressSnappy, '00', ''],
    ['by Snappy as one', decompressSnappy, '05 10 68656c6c6f', 'hello'],
    [
      'by Snappy in two chunks of Java',
      decompressSnappy,
      `${SNAPPY_OF_JAVA} 00000004 02 04 6162 00000003 01 00 63`,
      'abc',
    ],
    ['by Snappy with a near repeat that runs into itself', decompressSnappy, '07 04 6162 05 02', 'abababa'],
    ['by Snappy with a far repeat', decompressSnappy, '05 04 6162 0a 0200', 'ababa'],
    ['by Snappy with a repeat of four bytes', decompressSnappy, '05 04 6162 0b 02000000', 'ababa'],
    ['by LZ4, nothing', decompressLz4, `${LZ4_FRAME} 00000000`, ''],
    ['by LZ4 in a plain block', decompressLz4, `${LZ4_FRAME} 02000080 6162 00000000`, 'ab'],
    ['by LZ4 with a repeat', decompressLz4, `${LZ4_FRAME} 06000000 21 6162 0200 00 00000000`, 'abababa'],
    [
      'by LZ4 with a repeat from the block before',
      decompressLz4,
      `${LZ4_FRAME} 02000080 6162 04000000 00 0200 00 00000000`,
      'ababab',
    ],
    [
      'by LZ4 with its size and checksums',
      decompressLz4,
      '04224d18 7c 40 0200000000000000 82 02000080 6162 11111111 00000000 22222222',
      'ab',
    ],
  ];
  for (const [what, decompress, bytes, text] of cases) {
    it(`${what}, is read`, () => {
      assert.equal(decompress(hex(bytes)).toString(), text);
    });
  }

  for (const [name, decompress, begin] of [
    ['Snappy', decompressSnappy, ''],
    ['Snappy of Java', decompressSnappy, SNAPPY_OF_JAVA],
    ['LZ4', decompressLz4, LZ4_FRAME],
  ] as const) {
    it(`is read, or is none, whatever the bytes are behind the beginning of ${name}`, () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 200 }), (rest) => {
          try {
            decompress(Buffer.concat([hex(begin), rest]));
          } catch (error) {
            assert.ok(error instanceof CorruptBatchError, String(error));
          }
        }),
        { numRuns: 2_000 },
      );
    });
  }
});

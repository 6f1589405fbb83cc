import assert from 'node:assert/strict';
import fc from 'fast-check';
import { decompressLz4 } from '../../../../../sidecar/kafka/compression/lz4.ts';
import { CorruptBatchError } from '../../../../../sidecar/kafka/compression/output.ts';
import { decompressSnappy } from '../../../../../sidecar/kafka/compression/snappy.ts';
import { allAtOnce } from '../../replay/messages.ts';

/** What Kafka itself compresses is read in test/integration/sidecar/kafka-compression.test.ts. These are what it does not write. */
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const SNAPPY_OF_JAVA = '82 534e41505059 00 00000001 00000001';
const LZ4_FRAME = '04224d18 60 40 82';

describe('what is compressed', () => {
  type Decompress = (bytes: Buffer) => Generator<void, Buffer>;
  const cases: readonly [what: string, decompress: Decompress, bytes: string, text: string][] = [
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
      assert.equal(allAtOnce(decompress(hex(bytes))).toString(), text);
    });
  }

  it('is read in pieces of about 256 KiB', () => {
    const count = 100_000;
    // Each repeats 64 bytes.
    const repeats = Buffer.concat([hex('04 6162'), Buffer.alloc(3 * count, hex('fe 0200'))]);
    const size = 2 + 64 * count;
    const length = Buffer.from([
      0x80 | (size & 0x7f),
      0x80 | ((size >> 7) & 0x7f),
      0x80 | ((size >> 14) & 0x7f),
      size >> 21,
    ]);
    const work = decompressSnappy(Buffer.concat([length, repeats]));
    let turns = 0;
    for (let next = work.next(); ; next = work.next()) {
      if (next.done) {
        assert.equal(next.value.length, size);
        break;
      }
      turns += 1;
    }
    assert.equal(turns, Math.floor(size / (256 * 1024)));
  });

  for (const [name, decompress, begin] of [
    ['Snappy', decompressSnappy, ''],
    ['Snappy of Java', decompressSnappy, SNAPPY_OF_JAVA],
    ['LZ4', decompressLz4, LZ4_FRAME],
  ] as const) {
    it(`is read, or is none, whatever the bytes are behind the beginning of ${name}`, () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 200 }), (rest) => {
          try {
            allAtOnce(decompress(Buffer.concat([hex(begin), rest])));
          } catch (error) {
            assert.ok(error instanceof CorruptBatchError, String(error));
          }
        }),
        { numRuns: 2_000 },
      );
    });
  }
});

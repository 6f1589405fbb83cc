import assert from 'node:assert/strict';
import fc from 'fast-check';
import { PayloadStore } from '../../../../sidecar/nats/payload-store.ts';

describe('the payloads that are kept', () => {
  const size = fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 100_000 }));

  it('have their bytes, whatever becomes of the buffer that they came in', () => {
    fc.assert(
      fc.property(fc.array(size, { maxLength: 50 }), (sizes) => {
        const store = new PayloadStore();
        const record = Buffer.allocUnsafeSlow(100_001);
        const kept = sizes.map((length, index) => store.keep(record.fill(index).subarray(0, length)));
        for (const [index, payload] of kept.entries()) {
          assert.ok(payload.equals(Buffer.alloc(sizes[index] as number, index)), `payload ${index}`);
        }
      }),
    );
  });

  it('are held in little more memory than they have bytes', () => {
    const store = new PayloadStore();
    const record = Buffer.allocUnsafeSlow(16 * 1024);
    const buffersOf = (count: number, length: number): number => {
      const kept = Array.from({ length: count }, () => store.keep(record.subarray(7, 7 + length)).buffer);
      return [...new Set(kept)].reduce((sum, { byteLength }) => sum + byteLength, 0);
    };
    assert.ok(buffersOf(10_000, 1) <= 2 * 64 * 1024);
    assert.ok(buffersOf(1_000, 2_400) < 2_400_000 * 1.1);
  });

  it('are not copied where they are alone in their buffer', () => {
    const alone = Buffer.allocUnsafeSlow(100_000);
    assert.equal(new PayloadStore().keep(alone), alone);
  });
});

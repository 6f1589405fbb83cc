import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Chain } from '../../../../sidecar/replay/chain.ts';
import type { Delivered } from '../../../../sidecar/replay/delivered.ts';

function delivered(streamSequence: number, consumerSequence: number): Delivered {
  return {
    payload: Buffer.alloc(0),
    size: 0,
    streamSequence,
    consumerSequence,
    deliveryCount: 1,
    time: 0,
    pending: 0,
    cutOff: false,
    ack() {},
  };
}

describe('a chain of deliveries', () => {
  it('takes each next delivery, whatever gaps the stream sequences have', () => {
    const chain = new Chain(0);
    assert.ok([3, 9, 10].every((sequence, index) => chain.accept(delivered(sequence, index + 1))));
  });

  it('breaks at a jump of the consumer sequence, where another process was handed a message', () => {
    const chain = new Chain(0);
    assert.ok(chain.accept(delivered(1, 1)));
    assert.equal(chain.accept(delivered(3, 3)), false);
    assert.equal(chain.last, 3);
  });

  it('demands the outstanding messages first, in the order of the stream', () => {
    const chain = new Chain(4, [2, 3]);
    assert.ok(chain.accept(delivered(2, 5)));
    assert.equal(chain.accept(delivered(8, 6)), false);
    const inOrder = new Chain(4, [2, 3]);
    assert.ok([2, 3, 8].every((sequence, index) => inOrder.accept(delivered(sequence, 5 + index))));
  });

  it('never takes a message after one was missed, wherever that one was', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 0, max: 49 }), (count, missed) => {
        const chain = new Chain(0);
        const seen = Array.from({ length: count }, (_, index) => index + 1).filter(
          (sequence) => sequence !== missed + 1,
        );
        const accepted: number[] = [];
        for (const sequence of seen) {
          if (!chain.accept(delivered(sequence, sequence))) break;
          accepted.push(sequence);
        }
        assert.deepEqual(accepted, seen.slice(0, Math.min(missed, seen.length)));
      }),
    );
  });
});

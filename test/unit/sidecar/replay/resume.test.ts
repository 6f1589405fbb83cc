import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Chain } from '../../../../sidecar/replay/chain.ts';
import type { Delivered } from '../../../../sidecar/replay/delivered.ts';
import type { Position } from '../../../../sidecar/replay/position.ts';
import { isOfAnotherStream, resume, startTime } from '../../../../sidecar/replay/resume.ts';

const stored: Position = {
  stream: 'EVENTS',
  identity: 'one',
  sequence: 100,
  time: 5_000,
  consumerSequence: 9,
  from: 3,
};
const begin = { stream: 'EVENTS', from: 77 };

function delivered(streamSequence: number, consumerSequence: number, time = 0): Delivered {
  return { payload: Buffer.alloc(0), streamSequence, consumerSequence, deliveryCount: 1, time, pending: 0, ack() {} };
}

describe('resuming', () => {
  it('goes on after the position, not after the acks', () => {
    for (const floor of [0, 90, 100, 120]) {
      const found = resume(stored, { floor, identity: 'one', pending: 0 }, begin);
      assert.equal(found.kind === 'continue' && found.resetTo, 100);
    }
  });

  it('begins where there is neither a position nor an ack', () => {
    const found = resume(undefined, { floor: 0, identity: 'one', pending: 3 }, begin);
    assert.deepEqual(found, {
      kind: 'begin',
      position: { stream: 'EVENTS', identity: 'one', sequence: 0, time: 0, consumerSequence: 0, from: 77 },
    });
  });

  it('wants proof where there is no position but something may have been acked', () => {
    assert.deepEqual(resume(undefined, { floor: 5, identity: 'one', pending: 0 }, begin), {
      kind: 'unproven',
      floor: 5,
    });
  });

  it('begins anew with a stream that was recreated, and keeps the start time', () => {
    const found = resume(stored, { floor: 0, identity: 'two', pending: 0 }, begin);
    assert.equal(found.kind, 'recreated');
    assert.deepEqual(
      found.kind === 'recreated' && [found.position.sequence, found.position.identity, found.position.from],
      [0, 'two', 3],
    );
  });

  it('begins anew when the settings name another stream', () => {
    assert.equal(
      resume(stored, { floor: 100, identity: 'one', pending: 0 }, { ...begin, stream: 'OTHER' }).kind,
      'recreated',
    );
  });

  it('looks at the message at the position again where the server tells no identity', () => {
    for (const [floor, resetTo] of [
      [100, 99],
      [120, 99],
      [50, 50],
      [0, 0],
    ] as const) {
      const found = resume({ ...stored, identity: null }, { floor, identity: null, pending: 0 }, begin);
      assert.equal(found.kind === 'continue' && found.resetTo, resetTo);
    }
  });

  it('takes up the identity once the server tells one', () => {
    const found = resume({ ...stored, identity: null }, { floor: 100, identity: 'one', pending: 0 }, begin);
    assert.equal(found.kind === 'continue' && found.position.identity, 'one');
  });
});

describe('time stamps tell a recreated stream from an old one', () => {
  it('by the message at the position, exactly', () => {
    assert.equal(isOfAnotherStream(delivered(100, 1, 5_000), stored), false);
    assert.equal(isOfAnotherStream(delivered(100, 1, 5_001), stored), true);
  });

  it('by earlier ones, but for a clock that was set back a little', () => {
    assert.equal(isOfAnotherStream(delivered(7, 1, 4_000), stored), false);
    assert.equal(isOfAnotherStream(delivered(7, 1, 5_900), stored), false);
    assert.equal(isOfAnotherStream(delivered(7, 1, 6_500), stored), true);
  });

  it('and later ones tell nothing', () => {
    assert.equal(isOfAnotherStream(delivered(101, 1, 1), stored), false);
  });
});

describe('the start time', () => {
  it('is now for Latest, the given one for Time, and the beginning for Earliest', () => {
    assert.equal(startTime({ policy: 'Latest' }, 123), 123);
    assert.equal(startTime({ policy: 'Time', time: '1970-01-01T00:00:01Z' }, 123), 1000);
    assert.equal(startTime({ policy: 'Earliest' }, 123), 0);
  });
});

describe('a chain of deliveries', () => {
  it('takes what follows, whatever the gaps in the stream', () => {
    const chain = new Chain(0);
    assert.ok([3, 9, 10].every((sequence, index) => chain.accept(delivered(sequence, index + 1))));
  });

  it('breaks where another process was handed a message', () => {
    const chain = new Chain(0);
    assert.ok(chain.accept(delivered(1, 1)));
    assert.equal(chain.accept(delivered(3, 3)), false);
    assert.equal(chain.last, 3);
  });

  it('wants what is outstanding first, in the order of the stream', () => {
    const chain = new Chain(4, [2, 3]);
    assert.ok(chain.accept(delivered(2, 5)));
    assert.equal(chain.accept(delivered(8, 6)), false);
    const inOrder = new Chain(4, [2, 3]);
    assert.ok([2, 3, 8].every((sequence, index) => inOrder.accept(delivered(sequence, 5 + index))));
  });

  it('never takes a message after one was missed, wherever that is', () => {
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

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { nextPull, type PullState } from '../../../../sidecar/nats/pull-plan.ts';
import { pullStatus } from '../../../../sidecar/nats/pull-status.ts';

const IDLE: PullState = {
  held: { messages: 0, bytes: 0 },
  outstanding: { messages: 0, bytes: 0 },
  pulls: 0,
  oversized: false,
  most: { messages: Number.MAX_SAFE_INTEGER, bytes: Number.MAX_SAFE_INTEGER },
};
const limits = fc.record({
  messages: fc.integer({ min: 2, max: 50_000 }),
  bytes: fc.integer({ min: 2, max: 2 ** 30 }),
});
const amount = fc.record({ messages: fc.nat(60_000), bytes: fc.nat(2 ** 30) });

describe('the plan of pulls', () => {
  it('never asks for more than there is room for, whatever is held and outstanding', () => {
    fc.assert(
      fc.property(
        limits,
        amount,
        amount,
        fc.integer({ min: 1, max: 10_000 }),
        fc.integer({ min: 1, max: 3 }),
        limits,
        (max, held, outstanding, maxBatch, pulls, most) => {
          const pull = nextPull(max, maxBatch, { ...IDLE, held, outstanding, pulls, most });
          if (pull === undefined) return;
          assert.ok(held.messages + outstanding.messages + pull.batch <= max.messages);
          assert.ok(held.bytes + outstanding.bytes + (pull.maxBytes ?? 0) <= max.bytes);
          assert.ok(pull.batch >= 1 && pull.batch <= maxBatch && (pull.maxBytes ?? 0) >= 1);
          assert.ok(pull.batch <= most.messages && (pull.maxBytes ?? 0) <= most.bytes);
        },
      ),
    );
  });

  it('always pulls when nothing is held or outstanding, or the stream would stand still', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100 }),
        fc.integer({ min: 1, max: 100 }),
        fc.integer({ min: 1, max: 100 }),
        (messages, bytes, maxBatch) => {
          assert.ok(nextPull({ messages, bytes }, maxBatch, IDLE));
        },
      ),
    );
  });

  it('keeps two pulls waiting, so that one brings messages while the other is replayed', () => {
    const first = nextPull({ messages: 1000, bytes: 1e6 }, 5000, IDLE);
    assert.deepEqual(first, { batch: 500, maxBytes: 500_000 });
    const one = { ...IDLE, outstanding: { messages: 500, bytes: 500_000 }, pulls: 1 };
    assert.deepEqual(nextPull({ messages: 1000, bytes: 1e6 }, 5000, one), { batch: 500, maxBytes: 500_000 });
    const two = { ...IDLE, outstanding: { messages: 1000, bytes: 1e6 }, pulls: 2 };
    assert.equal(nextPull({ messages: 1000, bytes: 1e6 }, 5000, two), undefined);
  });

  it('leaves room among the waiting pulls of a durable for those of a stopped owner', () => {
    const four = { ...IDLE, pulls: 4 };
    assert.equal(nextPull({ messages: 1_000_000, bytes: 1e9 }, 10, four), undefined);
  });

  it('pulls a message that is larger than a share alone and without a limit, once nothing else waits', () => {
    const oversized = { ...IDLE, oversized: true };
    const max = { messages: 100, bytes: 1000 };
    assert.deepEqual(nextPull(max, 50, oversized), { batch: 1, maxBytes: undefined });
    assert.equal(nextPull(max, 50, { ...oversized, pulls: 1 }), undefined);
    assert.equal(nextPull(max, 50, { ...oversized, held: { messages: 10, bytes: 900 } }), undefined);
  });
});

describe('the status of a pull', () => {
  const kinds: readonly [number, string, string][] = [
    [100, 'Idle Heartbeat', 'alive'],
    [404, 'No Messages', 'over'],
    [408, 'Request Timeout', 'over'],
    [408, 'Interest Expired', 'over'],
    [409, 'Batch Completed', 'over'],
    [409, 'Message Size Exceeds MaxBytes', 'too-large'],
    [409, 'Consumer Deleted', 'missing'],
    [409, 'Consumer is push based', 'missing'],
    [503, '', 'unanswered'],
    [409, 'Exceeded MaxRequestBatch of 10', 'exceeded'],
    [409, 'Exceeded MaxRequestExpires of 1s', 'exceeded'],
    [409, 'Leadership Change', 'gone'],
    [409, 'Server Shutdown', 'gone'],
    [409, 'Something New', 'gone'],
    [400, 'Bad Request', 'gone'],
    [0, '', 'gone'],
  ];
  for (const [code, words, kind] of kinds) {
    it(`${code} "${words}" means ${kind}`, () => assert.equal(pullStatus(code, words).kind, kind));
  }
});

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isComplete } from '../../../../sidecar/replay/batch.ts';

describe('a batch', () => {
  const limits = { messages: 100, bytes: 1000, ageMs: 50 };
  const waiting = { messages: 1, bytes: 10, ageMs: 1, pending: 5 };

  it('is complete when it is full, old enough, or the peer has no more messages', () => {
    assert.equal(isComplete(waiting, limits), false);
    assert.equal(isComplete({ ...waiting, pending: 0 }, limits), true);
    assert.equal(isComplete({ ...waiting, messages: 100 }, limits), true);
    assert.equal(isComplete({ ...waiting, bytes: 1000 }, limits), true);
    assert.equal(isComplete({ ...waiting, ageMs: 50 }, limits), true);
  });

  it('is never complete without a message', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.nat(), (bytes, ageMs, pending) => {
        assert.equal(isComplete({ messages: 0, bytes, ageMs, pending }, limits), false);
      }),
    );
  });
});

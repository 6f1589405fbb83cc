import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Backlog } from '../../../../sidecar/replay/backlog.ts';

describe('the backlog of a peer', () => {
  it('is not known until the durable has said a number', () => {
    const backlog = new Backlog(null);
    assert.equal(backlog.lag, null);
    backlog.delivered(7);
    assert.equal(backlog.lag, 8, 'seven to come, and one that is not committed');
    backlog.committed(1);
    assert.equal(backlog.lag, 7);
  });

  it('is 0 only when the last delivery had nothing behind it and all is committed', () => {
    fc.assert(
      fc.property(fc.nat(1_000), fc.array(fc.nat(1_000)), fc.nat(), (first, pendings, some) => {
        const backlog = new Backlog(first);
        for (const pending of pendings) backlog.delivered(pending);
        const committed = pendings.length === 0 ? 0 : some % (pendings.length + 1);
        backlog.committed(committed);
        assert.equal(backlog.lag, (pendings.at(-1) ?? first) + pendings.length - committed);
      }),
    );
  });
});

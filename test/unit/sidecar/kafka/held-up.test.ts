import assert from 'node:assert/strict';
import { heldUp, openAt } from '../../../../sidecar/kafka/held-up.ts';

describe('an open transaction in LFH_SYNC', () => {
  const open = { at: 7n, since: 1_000 };

  it('is open since it was seen first, and another one since then', () => {
    assert.deepEqual(openAt({ lastStable: 7n, highWatermark: 9n }, undefined, 1_000), open);
    assert.deepEqual(openAt({ lastStable: 7n, highWatermark: 12n }, open, 30_000), open);
    assert.deepEqual(openAt({ lastStable: 8n, highWatermark: 12n }, open, 30_000), { at: 8n, since: 30_000 });
  });

  it('is none where all is committed or aborted', () => {
    assert.equal(openAt({ lastStable: 9n, highWatermark: 9n }, open, 30_000), undefined);
  });

  it('is told of after a minute, with its partition and its offset', () => {
    const waiting = [
      { partition: 2, open },
      { partition: 3, open: { at: 5n, since: 60_000 } },
    ];
    assert.equal(heldUp(waiting, 60_999), undefined);
    assert.match(heldUp(waiting, 61_000) ?? '', /^what is in partition 2 from offset 7 on of LFH_SYNC waits: /);
    assert.match(heldUp(waiting, 200_000) ?? '', /partition 2 from offset 7 on and partition 3 from offset 5 on/);
    assert.equal(heldUp([], 200_000), undefined);
  });
});

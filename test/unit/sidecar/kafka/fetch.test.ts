import assert from 'node:assert/strict';
import { nextOffset } from '../../../../sidecar/kafka/fetch.ts';

describe('the offset after a fetch', () => {
  const nothing = { messages: [], lastStableOffset: '90' };

  it('is behind the last message, also where that is a marker or was aborted', () => {
    const fetched = { messages: [{ offset: '40' }, { offset: '57' }], lastStableOffset: '90' };
    assert.equal(nextOffset(40n, fetched, false), 58n);
    assert.equal(nextOffset(40n, fetched, true), 58n);
  });

  it('is behind the batch of the last message where compaction has removed the end of that batch', () => {
    const last = { offset: '57', batchContext: { firstOffset: '50', lastOffsetDelta: 12 } };
    assert.equal(nextOffset(58n, { messages: [last], lastStableOffset: '90' }, true), 63n);
  });

  it('is unknown where an answer has nothing of what is there, since that may be in remote storage', () => {
    assert.equal(nextOffset(40n, nothing, false), undefined);
  });

  it('is the end where compaction has emptied what was there', () => {
    assert.equal(nextOffset(40n, nothing, true), 90n);
  });

  it('stays where there is nothing yet, and where the broker does not know yet what is committed', () => {
    for (const isCompacted of [false, true]) {
      assert.equal(nextOffset(90n, nothing, isCompacted), 90n);
      assert.equal(nextOffset(95n, nothing, isCompacted), 95n);
    }
  });
});

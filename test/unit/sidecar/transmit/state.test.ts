import assert from 'node:assert/strict';
import { decodeState, encodeState } from '../../../../sidecar/transmit/state.ts';

describe('the times in the state of a transmission', () => {
  it('are read back as they were written, and may be missing, as earlier sidecars leave them out', () => {
    const state = { offsets: { 0: '12', 1: '0' }, times: { 0: 1_764_000_000_000 }, pending: [] };
    assert.deepEqual(decodeState(encodeState(state)), state);
    assert.deepEqual(decodeState('{"offsets":{"0":"12"},"pending":[]}')?.times, undefined);
  });

  it('are refused where they are no times', () => {
    for (const times of ['7', 'null', '{"x":1}', '{"0":"1"}', '{"0":1.5}']) {
      assert.equal(decodeState(`{"offsets":{},"times":${times},"pending":[]}`), undefined, times);
    }
  });
});

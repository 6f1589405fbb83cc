import assert from 'node:assert/strict';
import type { Position } from '../../../../sidecar/replay/position.ts';
import { resume, startTime } from '../../../../sidecar/replay/resume.ts';

const stored: Position = {
  stream: 'EVENTS',
  identity: 'one',
  sequence: 100,
  time: 5_000,
  consumerSequence: 9,
  from: 3,
};
const begin = { stream: 'EVENTS', from: 77 };

describe('the start of a replay', () => {
  it('is after the position, not after the acknowledgements, and whatever the stream is called', () => {
    for (const floor of [0, 90, 100, 120]) {
      const found = resume(stored, { floor, identity: 'two', pending: 0 }, begin);
      assert.equal(found.kind === 'continue' && found.position.sequence, 100);
    }
  });

  it('is the first message when there is neither a position nor an acknowledgement', () => {
    const found = resume(undefined, { floor: 0, identity: 'one', pending: 3 }, begin);
    assert.deepEqual(found, {
      kind: 'begin',
      position: { stream: 'EVENTS', identity: 'one', sequence: 0, time: 0, consumerSequence: 0, from: 77 },
    });
  });

  it('needs a proof when there is no position but messages may have been acknowledged', () => {
    assert.deepEqual(resume(undefined, { floor: 5, identity: 'one', pending: 0 }, begin), {
      kind: 'unproven',
      floor: 5,
    });
  });

  it('is the first message of a recreated stream that nothing was replayed of, with the start time of the old one', () => {
    const found = resume({ ...stored, sequence: 0 }, { floor: 0, identity: 'two', pending: 0 }, begin);
    assert.equal(found.kind, 'recreated');
    assert.deepEqual(
      found.kind === 'recreated' && [found.position.sequence, found.position.identity, found.position.from],
      [0, 'two', 3],
    );
  });

  it('is the first message when the settings name another stream', () => {
    assert.equal(
      resume(stored, { floor: 100, identity: 'one', pending: 0 }, { ...begin, stream: 'OTHER' }).kind,
      'recreated',
    );
  });

  it('keeps the identity that was replayed, with which the proof compares the one that the server reports', () => {
    const found = resume(stored, { floor: 100, identity: 'two', pending: 0 }, begin);
    assert.equal(found.kind === 'continue' && found.position.identity, stored.identity);
  });
});

describe('the start time', () => {
  it('is now for Latest, the given time for Time, and 1970 for Earliest', () => {
    assert.equal(startTime({ policy: 'Latest' }, 123), 123);
    assert.equal(startTime({ policy: 'Time', time: '1970-01-01T00:00:01Z' }, 123), 1000);
    assert.equal(startTime({ policy: 'Earliest' }, 123), 0);
  });
});

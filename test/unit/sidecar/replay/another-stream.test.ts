import assert from 'node:assert/strict';
import {
  isOfAnotherStream,
  judgeByFirst,
  judgeByLast,
  judgeByNext,
} from '../../../../sidecar/replay/another-stream.ts';
import type { Delivered } from '../../../../sidecar/replay/delivered.ts';
import type { Position } from '../../../../sidecar/replay/position.ts';

const stored: Position = {
  stream: 'EVENTS',
  identity: 'one',
  sequence: 100,
  time: 5_000,
  consumerSequence: 9,
  from: 3,
};

function delivered(streamSequence: number, consumerSequence: number, time = 0): Delivered {
  return {
    payload: Buffer.alloc(0),
    size: 0,
    streamSequence,
    consumerSequence,
    deliveryCount: 1,
    time,
    pending: 0,
    cutOff: false,
    ack() {},
  };
}

describe('the first message at or after the position', () => {
  const at = (sequence: number, time: number) => ({ sequence, time });

  it('proves the stream when it is the one at the position, whatever the stream is called', () => {
    for (const identity of ['one', 'two', null]) assert.equal(judgeByNext(at(100, 5_000), stored, identity), 'same');
  });

  it('proves nothing when another message has taken its place', () => {
    for (const time of [4_999, 5_001]) assert.equal(judgeByNext(at(100, time), stored, 'one'), undefined);
  });

  it('says that the one at the position is gone when a later one is there, unless the stream has another name', () => {
    for (const identity of ['one', null]) assert.equal(judgeByNext(at(170, 9_000), stored, identity), 'gone');
    assert.equal(judgeByNext(at(170, 9_000), stored, 'two'), undefined);
  });

  it('proves nothing when there is none', () => {
    assert.equal(judgeByNext(undefined, stored, 'one'), undefined);
  });
});

describe('the last message before a position whose message is gone', () => {
  it('proves the stream when it is not younger than the position, and when there is none', () => {
    assert.equal(judgeByLast(undefined, stored), 'same');
    for (const time of [4_000, 5_000]) assert.equal(judgeByLast({ sequence: 99, time }, stored), 'same');
  });

  it('proves nothing when it is younger: the stream went back and has grown again', () => {
    assert.equal(judgeByLast({ sequence: 99, time: 5_001 }, stored), undefined);
  });
});

describe('the first message of a stream without the message at the position', () => {
  const at = (time: number) => ({ sequence: 1, time });

  it('shows a stream of which nothing was replayed when it is younger than the position', () => {
    for (const identity of ['one', 'two', null]) assert.equal(judgeByFirst(at(5_001), stored, identity), 'anew');
  });

  it('leaves it to a person when it is not younger, so that it may have been replayed', () => {
    for (const identity of ['one', 'two', null]) {
      for (const time of [0, 4_000, 5_000]) assert.equal(judgeByFirst(at(time), stored, identity), 'diverged');
    }
  });

  it('shows nothing yet when the stream is empty, unless the stream has another name', () => {
    assert.equal(judgeByFirst(undefined, stored, 'one'), 'empty');
    assert.equal(judgeByFirst(undefined, stored, null), 'empty');
    assert.equal(judgeByFirst(undefined, stored, 'two'), 'anew');
  });
});

describe('a delivery of another stream', () => {
  it('is recognized by any other time stamp of the message at the position', () => {
    assert.equal(isOfAnotherStream(delivered(100, 1, 5_000), stored), false);
    assert.equal(isOfAnotherStream(delivered(100, 1, 5_001), stored), true);
  });

  it('is recognized by a younger message before the position, unless a clock was set back a little', () => {
    assert.equal(isOfAnotherStream(delivered(7, 10, 4_000), stored), false);
    assert.equal(isOfAnotherStream(delivered(7, 10, 5_900), stored), false);
    assert.equal(isOfAnotherStream(delivered(7, 10, 6_500), stored), true);
  });

  it('is recognized by any younger message before the position when the durable counts anew', () => {
    assert.equal(isOfAnotherStream(delivered(7, 9, 5_000), stored), false);
    assert.equal(isOfAnotherStream(delivered(7, 9, 5_001), stored), true);
  });

  it('is not recognized by messages after the position, whatever their time stamps', () => {
    assert.equal(isOfAnotherStream(delivered(101, 1, 1), stored), false);
  });
});

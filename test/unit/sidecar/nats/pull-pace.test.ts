import assert from 'node:assert/strict';
import fc from 'fast-check';
import { PullPace } from '../../../../sidecar/nats/pull-pace.ts';

const KB = 1024;

/** Lets a line of so many bytes a second answer pulls of messages of one size, four at a time, for a while. */
function paceOver(bytesPerSecond: number, messageBytes: number, seconds: number): PullPace {
  const pace = new PullPace();
  for (let elapsed = 0; elapsed < seconds * 1000; ) {
    const { messages, bytes } = pace.most;
    const count = Math.max(1, Math.min(messages, Math.floor(bytes / messageBytes)));
    for (let n = 0; n < count; n += 1) pace.received(messageBytes);
    const elapsedMs = (4 * count * messageBytes * 1000) / bytesPerSecond;
    pace.answered({ asked: { messages, bytes }, bytes: count * messageBytes, elapsedMs, backlog: true });
    elapsed += elapsedMs / 4;
  }
  return pace;
}

describe('the pace of pulls', () => {
  it('begins with one message, and asks for more only after 32 that were not empty', () => {
    const pace = new PullPace();
    const quick = { asked: { messages: 1, bytes: 64 * KB }, bytes: 200, elapsedMs: 1, backlog: true };
    for (let count = 1; count <= 31; count += 1) {
      pace.received(200);
      pace.answered(quick);
      assert.equal(pace.most.messages, 1, `after ${count} messages`);
    }
    pace.received(200);
    pace.answered(quick);
    assert.equal(pace.most.messages, 2);
    pace.answered(quick);
    assert.equal(pace.most.messages, 2, 'a pull for less says nothing about more');
    pace.received(0);
    assert.equal(pace.most.messages, 1);
  });

  it('reaches thousands of messages and megabytes within a second of a fast line', () => {
    const { messages, bytes } = paceOver(100e6, 2_400, 1).most;
    assert.ok(messages >= 1_024 && bytes >= 2 * KB * KB, `${messages} messages, ${bytes} bytes`);
  });

  it('never has more on its way than a line carries in four seconds, or its least', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 10_000, max: 20_000_000 }),
        fc.integer({ min: 100, max: 20_000 }),
        (bytesPerSecond, messageBytes) => {
          const { bytes } = paceOver(bytesPerSecond, messageBytes, 60).most;
          assert.ok(
            4 * bytes <= Math.max(4 * 64 * KB, bytesPerSecond * 4),
            `${bytes} at ${bytesPerSecond} bytes a second`,
          );
        },
      ),
    );
  });

  it('does not take a trickle of messages for a slow line', () => {
    const pace = paceOver(100e6, 2_400, 1);
    const before = pace.most;
    pace.answered({ asked: before, bytes: 2_400, elapsedMs: 3_900, backlog: false });
    assert.equal(pace.most.bytes, before.bytes);
  });
});

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { delay, patientDelay, sleep } from '../../../common/backoff.ts';

describe('the backoff', () => {
  it('grows with the failures, is at most 30 s, and may be anything below', () => {
    assert.ok(delay(1, 1) < delay(2, 1));
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10_000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (failures, random) => {
          const ms = delay(failures, random);
          assert.ok(ms >= 0 && ms <= 30_000);
        },
      ),
    );
  });

  it('of an error that nobody foresaw is 30 s at first, doubles, and is at most 10 minutes', () => {
    const seconds = [1, 2, 5, 6, 10_000].map((failures) => patientDelay(failures) / 1000);
    assert.deepEqual(seconds, [30, 60, 480, 600, 600]);
  });

  it('ends a sleep as soon as its signal is aborted, and does not begin one afterwards', async () => {
    const stop = new AbortController();
    const sleeping = sleep(60_000, stop.signal);
    stop.abort();
    await sleeping;
    await sleep(60_000, stop.signal);
  });
});

import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { Limiter } from '../../../common/limiter.ts';

describe('a limiter', () => {
  it('lets some go at once, and the others in their order as soon as one has ended, also where it fails', async () => {
    const limiter = new Limiter(2);
    const begun: number[] = [];
    const ends = Array.from({ length: 4 }, () => Promise.withResolvers<number>());
    const all = ends.map(({ promise }, at) =>
      limiter.run(() => {
        begun.push(at);
        return promise;
      }),
    );
    await setImmediate();
    assert.deepEqual(begun, [0, 1]);
    ends[1]?.reject(new Error('failed'));
    await assert.rejects(all[1] as Promise<number>, /failed/);
    await setImmediate();
    assert.deepEqual(begun, [0, 1, 2]);
    for (const { resolve } of ends) resolve(7);
    assert.deepEqual(await Promise.all([all[0], all[2], all[3]]), [7, 7, 7]);
    assert.equal(await limiter.run(() => Promise.resolve(8)), 8);
  });
});

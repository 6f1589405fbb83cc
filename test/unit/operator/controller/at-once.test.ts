import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { forEachAtOnce } from '../../../../operator/controller/at-once.ts';

describe('doing something for many at once', () => {
  const items = Array.from({ length: 50 }, (_, index) => index);

  it('does it once for each, and never for more at a time than it may', async () => {
    const done: number[] = [];
    let running = 0;
    let most = 0;
    await forEachAtOnce(items, 16, async (item) => {
      running += 1;
      most = Math.max(most, running);
      await nextTurn();
      running -= 1;
      done.push(item);
    });
    assert.deepEqual(done, items);
    assert.equal(most, 16);
  });

  it('begins nothing more after a failure, and throws it when everything that was begun has ended', async () => {
    const [begun, ended]: number[][] = [[], []];
    const doing = forEachAtOnce(items, 4, async (item) => {
      begun?.push(item);
      await nextTurn();
      if (item === 5) throw new Error('no answer');
      await nextTurn();
      ended?.push(item);
    });
    await assert.rejects(doing, /^Error: no answer$/);
    assert.ok((begun?.length ?? 0) < 10, String(begun));
    assert.deepEqual(
      ended,
      begun?.filter((item) => item !== 5),
    );
  });

  it('does nothing for nobody', async () => {
    await forEachAtOnce([], 16, () => assert.fail());
  });
});

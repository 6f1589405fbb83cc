import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { inTurns, nextTurn, TurnBudget } from '../../../common/turns.ts';

describe('turns of the event loop', () => {
  /** Counts turns until `over`, from another phase of the loop than those who wait for theirs. */
  async function countTurns(over: () => boolean): Promise<number> {
    let turns = 0;
    for (; !over(); turns += 1) await setImmediate();
    return turns;
  }

  it('are given to one at a time of all who wait, the longest first', async () => {
    const pieces: string[] = [];
    let done = 0;
    const work = async (name: string, count: number): Promise<void> => {
      await inTurns(
        (function* () {
          for (let piece = 0; piece < count; piece += 1) {
            pieces.push(name);
            yield;
          }
        })(),
      );
      done += 1;
    };
    const all = ['a', 'b', 'c'].map((name) => work(name, 4));
    assert.deepEqual(pieces, ['a', 'b', 'c']);
    const turns = await countTurns(() => done === 3);
    await Promise.all(all);
    assert.equal(pieces.join(''), 'abc'.repeat(4));
    assert.ok(turns >= 12, `twelve waits took ${turns} turns`);
  });

  it('come to who waits again as long as anybody does', async () => {
    for (let round = 0; round < 3; round += 1) await nextTurn();
    await Promise.all([nextTurn(), nextTurn()]);
    await nextTurn();
  });

  it('have one budget for all who share it, and the next turn has its own', async () => {
    const budget = new TurnBudget(5);
    assert.equal(budget.isSpent, false);
    budget.spend(3);
    assert.equal(budget.isSpent, false);
    budget.spend(3);
    assert.equal(budget.isSpent, true);
    await setImmediate();
    assert.equal(budget.isSpent, false);
    budget.spend(3);
    assert.equal(budget.isSpent, false);
  });
});

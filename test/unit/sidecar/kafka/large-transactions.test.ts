import assert from 'node:assert/strict';
import { LargeTransactions, type Leave } from '../../../../sidecar/kafka/large-transactions.ts';

const LARGE = 8 * 1024 * 1024;
/** No test waits so long. */
const NEVER_MS = 600_000;

describe('large transactions', () => {
  /** Enters with several, one after the other, and notes who is let in. */
  function enterWith(gate: LargeTransactions, names: string): { inside: string[]; leave: Map<string, Leave> } {
    const inside: string[] = [];
    const leave = new Map<string, Leave>();
    for (const name of names) {
      void gate.enter(LARGE).then((left) => {
        inside.push(name);
        leave.set(name, left);
      });
    }
    return { inside, leave };
  }

  /** Everything that can go on without a timer has gone on then. */
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  it('go two at a time, in the order in which they came', async () => {
    const { inside, leave } = enterWith(new LargeTransactions(NEVER_MS), 'abcd');
    await settled();
    assert.deepEqual(inside, ['a', 'b']);
    leave.get('b')?.();
    await settled();
    assert.deepEqual(inside, ['a', 'b', 'c']);
    leave.get('a')?.();
    await settled();
    assert.deepEqual(inside, ['a', 'b', 'c', 'd']);
  });

  it('let one other go when they leave twice', async () => {
    const { inside, leave } = enterWith(new LargeTransactions(NEVER_MS), 'abcd');
    await settled();
    leave.get('a')?.();
    leave.get('a')?.();
    await settled();
    assert.deepEqual(inside, ['a', 'b', 'c']);
  });

  it('leave both places free when nobody waits', async () => {
    const gate = new LargeTransactions(NEVER_MS);
    const first = enterWith(gate, 'ab');
    await settled();
    for (const left of first.leave.values()) left();
    const second = enterWith(gate, 'cde');
    await settled();
    assert.deepEqual(second.inside, ['c', 'd']);
  });

  it('keep no small one waiting', async () => {
    const gate = new LargeTransactions(NEVER_MS);
    enterWith(gate, 'abc');
    const entered = gate.enter(10_000).then(() => 'at once');
    assert.equal(await Promise.race([entered, settled().then(() => 'later')]), 'at once');
  });

  it('keep the others waiting no longer than they may, though Kafka never answers them', async () => {
    const gate = new LargeTransactions(20);
    const { inside } = enterWith(gate, 'ab');
    await gate.enter(LARGE);
    await gate.enter(LARGE);
    assert.deepEqual(inside, ['a', 'b']);
  });
});

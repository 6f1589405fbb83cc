import assert from 'node:assert/strict';
import { type LargePlace, LargeTransactions } from '../../../../sidecar/kafka/large-transactions.ts';
import { until } from '../../../kit/processes/process.ts';

const LARGE = 8 * 1024 * 1024;
/** No test waits so long. */
const NEVER_MS = 600_000;

describe('large transactions', () => {
  /** Enters with several, one after the other, and notes who is let in. */
  function enterWith(gate: LargeTransactions, names: string): { inside: string[]; places: Map<string, LargePlace> } {
    const inside: string[] = [];
    const places = new Map<string, LargePlace>();
    for (const name of names) {
      void gate.enter(LARGE).then((place) => {
        inside.push(name);
        places.set(name, place);
      });
    }
    return { inside, places };
  }

  /** Everything that can go on without a timer has gone on then. */
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  it('go two at a time, in the order in which they came', async () => {
    const { inside, places } = enterWith(new LargeTransactions(NEVER_MS), 'abcd');
    await settled();
    assert.deepEqual(inside, ['a', 'b']);
    places.get('b')?.leave();
    await settled();
    assert.deepEqual(inside, ['a', 'b', 'c']);
    places.get('a')?.leave();
    await settled();
    assert.deepEqual(inside, ['a', 'b', 'c', 'd']);
  });

  it('let one other go when they leave twice', async () => {
    const { inside, places } = enterWith(new LargeTransactions(NEVER_MS), 'abcd');
    await settled();
    places.get('a')?.leave();
    places.get('a')?.leave();
    await settled();
    assert.deepEqual(inside, ['a', 'b', 'c']);
  });

  it('leave both places free when nobody waits', async () => {
    const gate = new LargeTransactions(NEVER_MS);
    const first = enterWith(gate, 'ab');
    await settled();
    for (const place of first.places.values()) place.leave();
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

  it('keep their places for as long as Kafka answers them, and lose them soon after it has stopped', async () => {
    const gate = new LargeTransactions(100);
    const { inside, places } = enterWith(gate, 'abc');
    const since = performance.now();
    let answers = 0;
    const answering = setInterval(() => {
      answers += 1;
      for (const name of 'ab') places.get(name)?.answered();
    }, 10);
    await until('they are answered for five times as long', () => performance.now() - since > 500);
    assert.ok(answers > 5);
    assert.deepEqual(inside, ['a', 'b']);
    clearInterval(answering);
    await until('the next one goes', () => inside.includes('c'));
  });

  it('get no place back that they have lost, or left, by an answer that comes late', async () => {
    const gate = new LargeTransactions(20);
    const { inside, places } = enterWith(gate, 'abcd');
    await until('the others go', () => inside.length === 4);
    for (const name of 'abcd') {
      places.get(name)?.leave();
      places.get(name)?.answered();
    }
    const next = enterWith(gate, 'ef');
    await settled();
    assert.deepEqual(next.inside, ['e', 'f']);
  });
});

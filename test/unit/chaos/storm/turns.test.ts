import assert from 'node:assert/strict';
import { Turns } from '../../../chaos/storm/turns.ts';

describe('the turns of faults', () => {
  interface Works {
    readonly begun: string[];
    readonly work: (name: string) => () => Promise<void>;
    readonly end: (name: string) => Promise<void>;
  }

  function works(): Works {
    const begun: string[] = [];
    const ends = new Map<string, () => void>();
    return {
      begun,
      work: (name) => () => {
        begun.push(name);
        return new Promise((resolve) => ends.set(name, resolve));
      },
      end: async (name) => {
        ends.get(name)?.();
        await new Promise((resolve) => setImmediate(resolve));
      },
    };
  }

  it('are taken by so many at a time, and by the next when one has ended', async () => {
    const { begun, work, end } = works();
    const turns = new Turns(2);
    const all = ['one', 'two', 'three'].map((name) => turns.take([name], work(name)));
    await Promise.resolve();
    assert.deepEqual(begun, ['one', 'two']);
    await end('one');
    assert.deepEqual(begun, ['one', 'two', 'three']);
    await Promise.all([end('two'), end('three'), ...all]);
  });

  it('are not taken by two that use the same thing, and do not hold up who uses another', async () => {
    const { begun, work, end } = works();
    const turns = new Turns(2);
    const all = [turns.take(['a'], work('one')), turns.take(['a'], work('two')), turns.take(['b'], work('three'))];
    await Promise.resolve();
    assert.deepEqual(begun, ['one', 'three']);
    await end('one');
    assert.deepEqual(begun, ['one', 'three', 'two']);
    await Promise.all([end('two'), end('three'), ...all]);
  });

  it('are given on by one that fails', async () => {
    const { begun, work, end } = works();
    const turns = new Turns(1);
    await assert.rejects(
      turns.take(['a'], () => Promise.reject(new Error('failed'))),
      /failed/,
    );
    const next = turns.take(['a'], work('two'));
    await Promise.resolve();
    assert.deepEqual(begun, ['two']);
    await Promise.all([end('two'), next]);
  });
});

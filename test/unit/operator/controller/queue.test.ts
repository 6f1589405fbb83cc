import assert from 'node:assert/strict';
import { Queue, type ReconcileResult } from '../../../../operator/controller/queue.ts';
import { until } from '../../../kit/processes/process.ts';

describe("a controller's queue", () => {
  /** Turns that end when told to. */
  class Turns {
    readonly started: string[] = [];
    readonly errors: number[] = [];
    readonly queue: Queue;
    readonly #open = new Map<string, PromiseWithResolvers<ReconcileResult>>();

    constructor(concurrency = 2, concurrencyOfNamespace = concurrency) {
      const reconcile = (key: string): Promise<ReconcileResult> => {
        assert.ok(!this.#open.has(key), `two reconciles of ${key} at once`);
        this.started.push(key);
        const open = Promise.withResolvers<ReconcileResult>();
        this.#open.set(key, open);
        return open.promise;
      };
      const onError = (_key: string, _error: unknown, failures: number): unknown => this.errors.push(failures);
      this.queue = new Queue({ reconcile, concurrency, concurrencyOfNamespace, onError });
    }

    async end(key: string, result: ReconcileResult | Error = {}): Promise<void> {
      await until(`${key} runs`, () => this.#open.has(key), 2_000, 1);
      const open = this.#open.get(key);
      this.#open.delete(key);
      if (result instanceof Error) open?.reject(result);
      else open?.resolve(result);
    }

    async startedBecomes(...keys: string[]): Promise<void> {
      await until(`${keys.join(' ')} were started`, () => this.started.length >= keys.length, 2_000, 1);
      assert.deepEqual(this.started, keys);
    }
  }

  it('gives a key that was added often while it waited or ran one turn more', async () => {
    const turns = new Turns(1);
    for (const key of ['a', 'b', 'b', 'a', 'a']) turns.queue.add(key);
    await turns.startedBecomes('a');
    await turns.end('a');
    await turns.startedBecomes('a', 'b');
    await turns.end('b');
    await turns.startedBecomes('a', 'b', 'a');
    await turns.end('a');
    await turns.queue.stop();
    assert.deepEqual(turns.started, ['a', 'b', 'a']);
  });

  it('takes several keys at once, up to its limit', async () => {
    const turns = new Turns(2);
    for (const key of ['a', 'b', 'c']) turns.queue.add(key);
    await turns.startedBecomes('a', 'b');
    assert.equal(turns.queue.depth, 3);
    await turns.end('b');
    await turns.startedBecomes('a', 'b', 'c');
    await Promise.all([turns.end('a'), turns.end('c')]);
    await turns.queue.stop();
  });

  it('keeps a place for other namespaces while one has all the turns that it may have', async () => {
    const turns = new Turns(3, 2);
    for (const key of ['slow/1', 'slow/2', 'slow/3', 'other/1', 'third/1']) turns.queue.add(key);
    await turns.startedBecomes('slow/1', 'slow/2', 'other/1');
    await turns.end('other/1');
    await turns.startedBecomes('slow/1', 'slow/2', 'other/1', 'third/1');
    await turns.end('slow/1');
    await turns.startedBecomes('slow/1', 'slow/2', 'other/1', 'third/1', 'slow/3');
    await Promise.all(['slow/2', 'slow/3', 'third/1'].map((key) => turns.end(key)));
    await turns.queue.stop();
  });

  it('tries again what failed, and counts how often in a row', async () => {
    const turns = new Turns();
    turns.queue.add('a');
    await turns.end('a', new Error('1'));
    await turns.end('a', new Error('2'));
    await turns.end('a');
    assert.deepEqual(turns.errors, [1, 2]);
    turns.queue.add('a');
    await turns.end('a', new Error('3'));
    await until('the third is counted', () => turns.errors.length === 3, 2_000, 1);
    assert.deepEqual(turns.errors, [1, 2, 1]);
    await turns.queue.stop();
  });

  it('comes back to a key when its turn asked for that, or at once when it is added before', async () => {
    const turns = new Turns();
    turns.queue.add('a');
    await turns.end('a', { requeueAfterMs: 5 });
    await turns.end('a', { requeueAfterMs: 3_600_000 });
    await until('it is put off', () => turns.queue.depth === 0, 2_000, 1);
    turns.queue.add('a');
    await turns.end('a');
    await turns.queue.stop();
  });

  it('waits for what runs when it is stopped, and starts nothing more', async () => {
    const turns = new Turns(1);
    turns.queue.add('a');
    turns.queue.add('b');
    await turns.startedBecomes('a');
    let stopped = false;
    const stop = turns.queue.stop().then(() => (stopped = true));
    turns.queue.add('c');
    assert.equal(stopped, false);
    await turns.end('a', { requeueAfterMs: 1 });
    await stop;
    assert.deepEqual(turns.started, ['a']);
  });
});

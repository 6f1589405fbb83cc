import assert from 'node:assert/strict';
import { Queue, type ReconcileResult } from '../../../../operator/controller/queue.ts';
import { until } from '../../../kit/processes/process.ts';

describe("a controller's queue", () => {
  /** Reconciles that end when the test says so. */
  class Reconciles {
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

  it('reconciles a key once more that was added several times while it waited or ran', async () => {
    const reconciles = new Reconciles(1);
    for (const key of ['a', 'b', 'b', 'a', 'a']) reconciles.queue.add(key);
    await reconciles.startedBecomes('a');
    await reconciles.end('a');
    await reconciles.startedBecomes('a', 'b');
    await reconciles.end('b');
    await reconciles.startedBecomes('a', 'b', 'a');
    await reconciles.end('a');
    await reconciles.queue.stop();
    assert.deepEqual(reconciles.started, ['a', 'b', 'a']);
  });

  it('reconciles several keys at once, up to its limit', async () => {
    const reconciles = new Reconciles(2);
    for (const key of ['a', 'b', 'c']) reconciles.queue.add(key);
    await reconciles.startedBecomes('a', 'b');
    assert.equal(reconciles.queue.depth, 3);
    await reconciles.end('b');
    await reconciles.startedBecomes('a', 'b', 'c');
    await Promise.all([reconciles.end('a'), reconciles.end('c')]);
    await reconciles.queue.stop();
  });

  it('keeps room for other namespaces while one has as many reconciles as it may have', async () => {
    const reconciles = new Reconciles(3, 2);
    for (const key of ['slow/1', 'slow/2', 'slow/3', 'other/1', 'third/1']) reconciles.queue.add(key);
    await reconciles.startedBecomes('slow/1', 'slow/2', 'other/1');
    await reconciles.end('other/1');
    await reconciles.startedBecomes('slow/1', 'slow/2', 'other/1', 'third/1');
    await reconciles.end('slow/1');
    await reconciles.startedBecomes('slow/1', 'slow/2', 'other/1', 'third/1', 'slow/3');
    await Promise.all(['slow/2', 'slow/3', 'third/1'].map((key) => reconciles.end(key)));
    await reconciles.queue.stop();
  });

  it('reconciles a key again that failed, and counts how often it failed in a row', async () => {
    const reconciles = new Reconciles();
    reconciles.queue.add('a');
    await reconciles.end('a', new Error('1'));
    await reconciles.end('a', new Error('2'));
    await reconciles.end('a');
    assert.deepEqual(reconciles.errors, [1, 2]);
    reconciles.queue.add('a');
    await reconciles.end('a', new Error('3'));
    await until('the third is counted', () => reconciles.errors.length === 3, 2_000, 1);
    assert.deepEqual(reconciles.errors, [1, 2, 1]);
    await reconciles.queue.stop();
  });

  it('reconciles a key again when its last reconcile asked for that, or at once when it is added before', async () => {
    const reconciles = new Reconciles();
    reconciles.queue.add('a');
    await reconciles.end('a', { requeueAfterMs: 5 });
    await reconciles.end('a', { requeueAfterMs: 3_600_000 });
    await until('it is put off', () => reconciles.queue.depth === 0, 2_000, 1);
    reconciles.queue.add('a');
    await reconciles.end('a');
    await reconciles.queue.stop();
  });

  it('waits for running reconciles when it is stopped, and starts no other', async () => {
    const reconciles = new Reconciles(1);
    reconciles.queue.add('a');
    reconciles.queue.add('b');
    await reconciles.startedBecomes('a');
    let stopped = false;
    const stop = reconciles.queue.stop().then(() => (stopped = true));
    reconciles.queue.add('c');
    assert.equal(stopped, false);
    await reconciles.end('a', { requeueAfterMs: 1 });
    await stop;
    assert.deepEqual(reconciles.started, ['a']);
  });
});

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

    constructor(concurrency = 2, concurrencyOfNamespace = concurrency, mostAtOnce = 100) {
      const reconcile = (key: string): Promise<ReconcileResult> => {
        assert.ok(!this.#open.has(key), `two reconciles of ${key} at once`);
        this.started.push(key);
        const open = Promise.withResolvers<ReconcileResult>();
        this.#open.set(key, open);
        return open.promise;
      };
      const onError = (_key: string, _error: unknown, failures: number): unknown => this.errors.push(failures);
      this.queue = new Queue({ reconcile, concurrency, concurrencyOfNamespace, mostAtOnce, onError });
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
    for (const key of ['n/a', 'n/b', 'n/b', 'n/a', 'n/a']) reconciles.queue.add(key);
    await reconciles.startedBecomes('n/a');
    await reconciles.end('n/a');
    await reconciles.startedBecomes('n/a', 'n/b');
    await reconciles.end('n/b');
    await reconciles.startedBecomes('n/a', 'n/b', 'n/a');
    await reconciles.end('n/a');
    await reconciles.queue.stop();
    assert.deepEqual(reconciles.started, ['n/a', 'n/b', 'n/a']);
  });

  it('reconciles several keys at once, up to its limit', async () => {
    const reconciles = new Reconciles(2);
    for (const key of ['n/a', 'n/b', 'n/c']) reconciles.queue.add(key);
    await reconciles.startedBecomes('n/a', 'n/b');
    assert.equal(reconciles.queue.depth, 3);
    await reconciles.end('n/b');
    await reconciles.startedBecomes('n/a', 'n/b', 'n/c');
    await Promise.all([reconciles.end('n/a'), reconciles.end('n/c')]);
    await reconciles.queue.stop();
  });

  it('keeps room for other namespaces while one has as many reconciles as it may have', async () => {
    const reconciles = new Reconciles(3, 2);
    for (const key of ['slow/1', 'slow/2', 'slow/3', 'other/1', 'third/1']) reconciles.queue.add(key);
    await reconciles.startedBecomes('slow/1', 'slow/2', 'other/1', 'third/1');
    assert.equal(reconciles.queue.depth, 5);
    await reconciles.end('slow/1');
    await reconciles.end('other/1');
    await reconciles.startedBecomes('slow/1', 'slow/2', 'other/1', 'third/1', 'slow/3');
    await Promise.all(['slow/2', 'slow/3', 'third/1'].map((key) => reconciles.end(key)));
    await reconciles.queue.stop();
  });

  it('begins at once with one of a namespace of which none runs, while others hold every place for minutes', async () => {
    const reconciles = new Reconciles(8, 4);
    const held = ['slow', 'silent'].flatMap((namespace) => Array.from({ length: 6 }, (_, n) => `${namespace}/${n}`));
    for (const key of held) reconciles.queue.add(key);
    const running = held.filter((key) => /[0-3]$/.test(key));
    for (const key of ['third/a', 'third/b']) reconciles.queue.add(key);
    await reconciles.startedBecomes(...running, 'third/a');
    await reconciles.end('third/a');
    await reconciles.startedBecomes(...running, 'third/a', 'third/b');
    await Promise.all([...running, 'third/b'].map((key) => reconciles.end(key)));
    await Promise.all(held.filter((key) => !running.includes(key)).map((key) => reconciles.end(key)));
    await reconciles.queue.stop();
  });

  it('gives a free place to the namespace with the fewest reconciles, and then to the one that has waited longest', async () => {
    const reconciles = new Reconciles(3, 3);
    for (const key of ['a/1', 'a/2', 'a/3', 'a/4', 'b/1', 'b/2', 'c/1', 'c/2']) reconciles.queue.add(key);
    const started = ['a/1', 'a/2', 'a/3', 'b/1', 'c/1'];
    await reconciles.startedBecomes(...started);
    for (const [ended, next] of [
      ['a/1', undefined],
      ['a/2', undefined],
      ['a/3', 'a/4'],
      ['b/1', 'b/2'],
      ['c/1', 'c/2'],
    ] as const) {
      await reconciles.end(ended);
      if (next !== undefined) started.push(next);
      await reconciles.startedBecomes(...started);
    }
    await Promise.all(['a/4', 'b/2', 'c/2'].map((key) => reconciles.end(key)));
    await reconciles.queue.stop();
  });

  it('never has more at once than it may have in all', async () => {
    const reconciles = new Reconciles(1, 1, 2);
    for (const key of ['a/1', 'b/1', 'c/1']) reconciles.queue.add(key);
    await reconciles.startedBecomes('a/1', 'b/1');
    await reconciles.end('a/1');
    await reconciles.startedBecomes('a/1', 'b/1', 'c/1');
    await Promise.all(['b/1', 'c/1'].map((key) => reconciles.end(key)));
    await reconciles.queue.stop();
  });

  it('reconciles a key again that failed, and counts how often it failed in a row', async () => {
    const reconciles = new Reconciles();
    reconciles.queue.add('n/a');
    await reconciles.end('n/a', new Error('1'));
    await reconciles.end('n/a', new Error('2'));
    await reconciles.end('n/a');
    assert.deepEqual(reconciles.errors, [1, 2]);
    reconciles.queue.add('n/a');
    await reconciles.end('n/a', new Error('3'));
    await until('the third is counted', () => reconciles.errors.length === 3, 2_000, 1);
    assert.deepEqual(reconciles.errors, [1, 2, 1]);
    await reconciles.queue.stop();
  });

  it('reconciles a key again when its last reconcile asked for that, or at once when it is added before', async () => {
    const reconciles = new Reconciles();
    reconciles.queue.add('n/a');
    await reconciles.end('n/a', { requeueAfterMs: 5 });
    await reconciles.end('n/a', { requeueAfterMs: 3_600_000 });
    await until('it is put off', () => reconciles.queue.depth === 0, 2_000, 1);
    reconciles.queue.add('n/a');
    await reconciles.end('n/a');
    await reconciles.queue.stop();
  });

  it('waits for running reconciles when it is stopped, and starts no other', async () => {
    const reconciles = new Reconciles(1);
    reconciles.queue.add('n/a');
    reconciles.queue.add('n/b');
    await reconciles.startedBecomes('n/a');
    let stopped = false;
    const stop = reconciles.queue.stop().then(() => (stopped = true));
    reconciles.queue.add('n/c');
    assert.equal(stopped, false);
    await reconciles.end('n/a', { requeueAfterMs: 1 });
    await stop;
    assert.deepEqual(reconciles.started, ['n/a']);
  });
});

import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Waits } from '../../../common/waits.ts';

describe('what waits over a connection', () => {
  it('resolves and fails as its work does', async () => {
    const waits = new Waits();
    assert.equal(await waits.until(Promise.resolve(7)), 7);
    await assert.rejects(waits.until(Promise.reject(new Error('refused'))), /refused/);
  });

  it('ends with the connection, also where it begins later', async () => {
    const waits = new Waits();
    const waiting = waits.until(new Promise(() => undefined));
    waits.end(() => new Error('closed'));
    waits.end(() => new Error('closed again'));
    await assert.rejects(waiting, /^Error: closed$/);
    await assert.rejects(waits.until(new Promise(() => undefined)), /^Error: closed$/);
  });

  it('keeps no answer, however long the connection lives', async () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage = runInNewContext('gc') as () => void;
    const waits = new Waits();
    const answers: WeakRef<object>[] = [];
    const ask = async (): Promise<void> => {
      const answer = { payload: 'x' };
      answers.push(new WeakRef(answer));
      await waits.until(Promise.resolve(answer));
    };
    for (let n = 0; n < 100; n += 1) await ask();
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
    assert.equal(answers.filter((answer) => answer.deref() !== undefined).length, 0);
    waits.end(() => new Error('closed'));
  });
});

import assert from 'node:assert/strict';
import { readKey } from '../../../../operator/controller/key-store.ts';

describe('readKey', () => {
  function historyOf(annotations: Readonly<Record<string, string>>) {
    const prefixed = Object.entries(annotations).map(([name, value]) => [`sync.linuxforhealth.io/${name}`, value]);
    const metadata = { name: 'local-nkey', annotations: Object.fromEntries(prefixed) };
    const { rotation, rotatedAt } = readKey({ apiVersion: 'v1', kind: 'Secret', metadata }).observed;
    return { rotation, rotatedAt };
  }

  it('reads which rotation made the key, and when', () => {
    const rotatedAt = '2026-11-25T11:00:00.000Z';
    assert.deepEqual(historyOf({ rotation: '3', 'rotated-at': rotatedAt }), { rotation: 3, rotatedAt });
    assert.deepEqual(historyOf({}), { rotation: 0, rotatedAt: undefined });
  });

  it('ignores a rotation or time that somebody has overwritten, which the status could not hold', () => {
    for (const rotation of ['three', '-1', '1.5', 'NaN', '1e99', 'Infinity'])
      assert.equal(historyOf({ rotation }).rotation, 0, rotation);
    for (const time of ['yesterday', '', '2026-11-25', '2026-13-45T00:00:00.000Z', '+275760-09-13T00:00:00.001Z'])
      assert.equal(historyOf({ 'rotated-at': time }).rotatedAt, undefined, time);
  });
});

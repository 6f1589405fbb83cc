import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { isAuthentic, SETTINGS_MAC, settingsMac } from '../../../../common/contract/settings-mac.ts';

const entries = fc.dictionary(fc.stringMatching(/^[-._a-zA-Z0-9]{1,8}$/), fc.string(), { maxKeys: 4 });
const authenticated = (texts: Readonly<Record<string, string>>, ...seeds: string[]): Record<string, string> => ({
  ...texts,
  [SETTINGS_MAC]: settingsMac(texts, seeds),
});

describe('what authenticates settings', () => {
  it('is the same in every version, and in whatever order the entries are', () => {
    const mac = 'e9cef400f81433c39966c0d1f4ebd396b314dd2fce112fdbd61e6cc09822ea57';
    assert.equal(settingsMac({ b: '2', a: '1' }, ['SU made up']), mac);
    assert.equal(settingsMac({ a: '1', b: '2' }, [Buffer.from('SU made up')]), mac);
  });

  it('fits no other entries: none may be changed, added, removed or renamed, and no text may move from one to another', () => {
    fc.assert(
      fc.property(entries, entries, (one, other) => {
        const given = authenticated(one, 'seed');
        const same = isDeepStrictEqual({ ...one }, { ...other });
        assert.ok(isAuthentic(given, ['seed']));
        assert.equal(isAuthentic({ ...other, [SETTINGS_MAC]: given[SETTINGS_MAC] ?? '' }, ['seed']), same);
      }),
    );
    const given = authenticated({ a: 'bc', d: '' }, 'seed');
    for (const change of [{ a: 'b', c: '' }, { a: 'b' }, { ab: 'c' }, { 'ca-b.crt': 'x' }, { d: 'bc', a: '' }]) {
      assert.ok(!isAuthentic({ ...given, ...change }, ['seed']), JSON.stringify(change));
    }
  });

  it('fits whoever has one of the seeds, so that the seeds and the settings of a rotation may come in any order', () => {
    const [old, rotating, after] = [['old'], ['new', 'old'], ['new']].map((seeds) =>
      authenticated({ a: '1' }, ...seeds),
    );
    for (const [settings, seeds, fits] of [
      [old, ['new', 'old'], true],
      [rotating, ['old'], true],
      [rotating, ['new', 'old'], true],
      [rotating, ['new'], true],
      [after, ['new', 'old'], true],
      [after, ['old'], false],
      [old, ['new'], false],
      [old, [], false],
    ] as const) {
      assert.equal(isAuthentic(settings ?? {}, seeds), fits, JSON.stringify({ settings, seeds }));
    }
  });

  it('is no other text, of whatever length', () => {
    for (const mac of ['', ' ', 'nonsense', '00', randomBytes(32).toString('hex'), randomBytes(64).toString('hex')]) {
      assert.ok(!isAuthentic({ a: '1', [SETTINGS_MAC]: mac }, ['seed']), mac);
    }
    assert.ok(!isAuthentic({ a: '1' }, ['seed']));
  });
});

import assert from 'node:assert/strict';
import { includesIn, placesOf } from '../../../../cli/check/judge/nats-conf.ts';

describe('what a nats.conf includes', () => {
  const forms: Readonly<Record<string, string>> = {
    'as people write it': 'accounts {\n  LFH {\n    include "lfh-sync/lfh-sync.conf"\n  }\n}',
    'with colons': 'accounts: {\n  LFH: {\n include lfh-sync/lfh-sync.conf\n}}',
    'as the official chart renders it':
      '{\n"accounts": {\n"LFH": {\n"jetstream": "enabled",\ninclude ../lfh-sync.conf;\n}\n}\n}',
    'with equals signs and one quote': "accounts = { LFH = { include 'lfh-sync.conf' } }",
    'behind other blocks':
      'tls { cert_file: "/a{b" }\nurl: nats://a:4222 # {\n// {\naccounts { LFH { include lfh-sync.conf } }',
  };
  for (const [how, text] of Object.entries(forms)) {
    it(`is found ${how}`, () => {
      const [found, ...others] = includesIn(text);
      assert.equal(others.length, 0);
      assert.equal(found?.file, 'lfh-sync.conf');
      assert.deepEqual(found.inside.slice(-2), ['accounts', 'LFH']);
    });
  }

  it('is not found in comments and texts', () => {
    assert.deepEqual(includesIn('# include a.conf\n// include b.conf\nname: "include c.conf"'), []);
  });

  it('is found through a file that another one includes', () => {
    const files = new Map([
      ['nats.conf', 'accounts { include accounts.conf }'],
      ['accounts.conf', 'LFH { include lfh-sync.conf }'],
    ]);
    assert.deepEqual(placesOf('lfh-sync.conf', files), [['accounts', 'LFH']]);
  });

  it('ends where files include each other', () => {
    const files = new Map([
      ['a.conf', 'include b.conf\ninclude lfh-sync.conf'],
      ['b.conf', 'include a.conf'],
    ]);
    assert.ok(placesOf('lfh-sync.conf', files).length > 0);
  });
});

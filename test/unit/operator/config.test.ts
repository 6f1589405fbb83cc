import assert from 'node:assert/strict';
import { readConfig } from '../../../operator/config.ts';

describe('readConfig', () => {
  it('takes LFH_SYNC_IMAGE as the image of the sidecar, and refuses what is not the name of an image', () => {
    assert.equal(
      readConfig({ LFH_SYNC_IMAGE: 'r.example.org:5000/a/b:1@sha256:0' }).image,
      'r.example.org:5000/a/b:1@sha256:0',
    );
    assert.equal(readConfig({}).image, undefined);
    for (const wrong of ['', 'two words', 'a\n']) {
      assert.throws(() => readConfig({ LFH_SYNC_IMAGE: wrong }), /LFH_SYNC_IMAGE: expected the name of an image/);
    }
  });
});

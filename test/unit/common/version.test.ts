import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { VERSION } from '../../../common/version.ts';

describe('the version of the programs', () => {
  it('is the one in package.json', async () => {
    const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string };
    assert.equal(VERSION, version);
  });
});

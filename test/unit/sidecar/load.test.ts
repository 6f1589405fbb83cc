import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const SIDECAR = join(import.meta.dirname, '../../../sidecar');

describe('the program of the sidecar', () => {
  it('makes Node load neither undici nor HTTP/2, which it does not use and which take 50 ms of each start', async () => {
    const modules = ['run.ts', 'parts.ts'].map((file) => JSON.stringify(join(SIDECAR, file)));
    const imports = modules.map((module) => `await import(${module});`).join('');
    const script = `${imports} console.log(JSON.stringify(process.moduleLoadList))`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]);
    const loaded = JSON.parse(stdout) as string[];
    assert.ok(loaded.includes('NativeModule http'), 'it has a server for probes');
    assert.deepEqual(
      loaded.filter((name) => /undici|http2/.test(name)),
      [],
    );
  });
});

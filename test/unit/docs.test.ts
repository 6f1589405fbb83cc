import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pages } from '../../docs/generate.ts';

const DOCS = join(import.meta.dirname, '..', '..', 'docs');

describe('a generated page', () => {
  for (const [name, content] of Object.entries(pages())) {
    it(`docs/${name} says what the code says; if not: make docs`, async () => {
      assert.equal(await readFile(join(DOCS, name), 'utf8'), content);
    });
  }
});

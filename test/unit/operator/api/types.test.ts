import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { TYPES_FILE, typesOf } from '../../../../crds/generate.ts';
import { type Definition, readDefinitions, type Schema } from '../../../../crds/read.ts';

/** A CRD with just this spec. */
function definition(kind: string, spec: Readonly<Record<string, Schema>>): Definition {
  const [known] = readDefinitions();
  assert.ok(known);
  const properties = { spec: { type: 'object', properties: spec }, status: { type: 'object' } } as const;
  return { ...known, kind, schema: { type: 'object', properties } };
}

const ca: Schema = { type: 'object', properties: { inline: { type: 'string' } } };

describe('operator/api/types.ts', () => {
  it('is up to date with the CRDs (npm run types:generate)', async () => {
    assert.equal(await readFile(TYPES_FILE, 'utf8'), await typesOf(readDefinitions()));
  });

  it('has one type for a schema that is in several places', async () => {
    const text = await typesOf([definition('A', { ca }), definition('B', { ca: { ...ca, description: 'another' } })]);
    assert.equal(text.match(/interface CaSource /g)?.length, 1);
    assert.equal(text.match(/ca\?: CaSource;/g)?.length, 2);
  });

  it('is not generated where two schemas that share a type differ', async () => {
    const other: Schema = { type: 'object', properties: { file: { type: 'string' } } };
    await assert.rejects(typesOf([definition('A', { ca }), definition('B', { ca: other })]), /ca is not the same/);
  });

  it('is not generated where the items of a list have no name', async () => {
    const list: Schema = { type: 'array', items: { type: 'object' } };
    await assert.rejects(typesOf([definition('A', { things: list })]), /things: give the items/);
  });
});

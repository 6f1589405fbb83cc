import assert from 'node:assert/strict';
import { readDefinitions, walk } from '../../../crds/read.ts';
import type { KubeObject } from '../../../operator/api/objects.ts';
import { KubeError } from '../../../operator/cluster/errors.ts';
import { decide } from '../../../operator/directory/input.ts';
import { FILE } from '../../../operator/directory/layout.ts';

/** What every rule of the CRDs says. */
const RULE_MESSAGES: string[] = [];
for (const { schema } of readDefinitions()) {
  walk(schema, (_path, { 'x-kubernetes-validations': rules = [] }) => {
    for (const { message } of rules) if (!RULE_MESSAGES.includes(message.trim())) RULE_MESSAGES.push(message.trim());
  });
}
RULE_MESSAGES.sort();

/** What an administrator wrote, which need not be what the types allow. */
export type Written = KubeObject & { readonly spec?: unknown; readonly status?: unknown };

/**
 * Asks a directory the same, which checks by the same schemas and rules without an API server. It has to take what the API server
 * takes, with the same defaults, and to refuse what that refuses: by its words where a rule has some.
 */
export async function inBoth<Value extends Written>(
  written: Value,
  before: Value | undefined,
  ask: () => Promise<Value>,
): Promise<Value> {
  const known = before ? [{ ...before, metadata: { ...before.metadata, annotations: { [FILE]: 'it.yaml' } } }] : [];
  const files = [{ file: 'it.yaml', documents: [structuredClone(written)] }];
  const { puts, refusals } = decide(files, known);
  const taken = await ask().catch((error: unknown) => {
    assert.ok(error instanceof KubeError);
    assert.ok(refusals.length > 0, `a directory takes what the API server refuses: ${error.message}`);
    for (const { field = '' } of refusals)
      assert.ok(error.message.includes(field), `${field} is not in ${error.message}`);
    const words = RULE_MESSAGES.filter((message) => error.message.includes(message));
    const problems = [...new Set(refusals.map(({ problem }) => problem))].sort();
    // An API server tries the rules also where a text is too short; here the schema comes first.
    if (problems.some((problem) => RULE_MESSAGES.includes(problem))) assert.deepEqual(problems, words);
    else assert.ok(words.length === 0 || problems.some((problem) => /fewer than/.test(problem)), error.message);
    throw error;
  });
  assert.deepEqual(refusals, []);
  const [here]: readonly Written[] = puts;
  assert.deepEqual(here?.spec, taken.spec);
  return taken;
}

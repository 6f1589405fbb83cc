import assert from 'node:assert/strict';
import type { Container } from '../../../../../operator/api/objects.ts';
import { withLfhId } from '../../../../../operator/plan/injection/lfh-id.ts';
import { NO_REFERENCES, type References, type StoredNode } from '../../../../../operator/plan/observed/observed.ts';
import { LFH_ID, node, workload } from './fixtures.ts';

describe('the id of a node', () => {
  const texts: References = { configMap: () => ({ id: 'hospital-c' }), secret: () => ({ id: 'hospital-s' }) };
  const from = (ref: string): Container => ({
    name: 'connect',
    env: [{ name: LFH_ID, valueFrom: { [ref]: { name: 'settings', key: 'id' } } }],
  });
  const env = (...values: string[]): Container => ({
    name: 'connect',
    env: values.map((value, index) => ({ name: index === 0 ? LFH_ID : LFH_ID.toLowerCase(), value })),
  });

  function idOf(container: Container | undefined, of: Partial<StoredNode> = {}): string {
    const { lfhId: _, ...spec } = node().spec;
    const given: StoredNode = { ...node(), spec, ...of };
    const connect = container && workload({ containers: [container] });
    return withLfhId(given, { workload: connect, environment: texts }).spec.lfhId;
  }

  const rows: readonly [what: string, id: string, container: Container | undefined][] = [
    ["is connect's", 'hospital-x', env('hospital-x')],
    ["is connect's, from a ConfigMap", 'hospital-c', from('configMapKeyRef')],
    ['is not taken from a Secret, since every peer is told it', '', from('secretKeyRef')],
    ['is not known where connect has none', '', { name: 'connect' }],
    ['is not known where connect has two', '', env('hospital-x', 'hospital-y')],
    ['is not known where it could not be an id', '', env('a\nb')],
    ['is not known where it is too long', '', env('x'.repeat(254))],
    ['is not known where there is no connect', '', undefined],
  ];
  for (const [what, id, container] of rows) it(what, () => assert.equal(idOf(container), id));

  it("is that of the spec, or else the status's, before connect's", () => {
    const { spec } = node();
    assert.equal(
      idOf(env('hospital-x'), { spec: { ...spec, lfhId: 'hospital-a' }, status: { lfhId: 'b' } }),
      'hospital-a',
    );
    assert.equal(idOf(env('hospital-x'), { status: { lfhId: 'hospital-b' } }), 'hospital-b');
    assert.equal(withLfhId(node(), { environment: NO_REFERENCES }).spec.lfhId, 'local');
  });
});

import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { FieldSet, JsonPatchStep, PodSpec, Volume, Workload } from '../../../../../operator/api/objects.ts';
import { sidecarVolume } from '../../../../../operator/plan/injection/container.ts';
import { INJECTION_MANAGER } from '../../../../../operator/plan/injection/injection.ts';
import { isOfAnotherNode, missingRight, removalOf } from '../../../../../operator/plan/injection/removal.ts';
import { LFH_ID, metadata, node, SUBSCRIBERS, workload } from './fixtures.ts';

describe('a right that the operator has not', () => {
  it('is asked for by the name of the workload, and with what it is for where the spec names another one', () => {
    const earlier = missingRight('Deployment/connect', 'Deployment/connect-v2');
    assert.match(earlier, /Deployment\/connect, out of which the sidecar has to be taken/);
    assert.match(earlier, /add connect to watch\.names\.connect/);
    const wanted = missingRight('StatefulSet/connect-v2', 'StatefulSet/connect-v2');
    assert.match(wanted, /does not name StatefulSet\/connect-v2: add connect-v2 to watch\.names\.connect/);
  });
});

describe('removalOf', () => {
  const name = fc.constantFrom('lfh-sync', 'connect', 'app', 'proxy');
  const plain = { noNullPrototype: true };
  const entry = fc.record(
    {
      name: fc.constantFrom(SUBSCRIBERS, LFH_ID, 'OTHER'),
      value: fc.constantFrom('[]', '["tls://a:4222"]', ''),
    },
    plain,
  );
  const entries = fc.uniqueArray(entry, { selector: (each) => each.name, maxLength: 3 });
  const container = fc.record({ name, env: entries }, plain);
  const list = fc.uniqueArray(container, { selector: (each) => each.name, maxLength: 3 });
  const manager = fc.record({ manager: fc.constantFrom(INJECTION_MANAGER, 'helm', 'kubectl'), owns: fc.array(name) });

  it('removes everything that is ours and changes nothing else', () => {
    fc.assert(
      fc.property(list, list, fc.uniqueArray(name), fc.array(manager, { maxLength: 4 }), (init, main, volumes, all) => {
        const containers = main.filter((each) => each.name !== 'lfh-sync');
        const managedFields = all.map(({ manager: who, owns }) => ({ manager: who, fieldsV1: owning(owns) }));
        const named = volumes.map((each) => ({ name: each }));
        const before = workload(
          { initContainers: init, containers, volumes: named },
          { metadata: metadata(managedFields) },
        );
        const after = patched(before, removalOf(before));
        const isNotOurs = (each: { readonly name: string }): boolean => each.name !== 'lfh-sync';
        const pod = after.spec.template.spec;
        assert.deepEqual(pod.initContainers, init.filter(isNotOurs));
        assert.deepEqual(pod.volumes, named.filter(isNotOurs));
        assert.deepEqual(
          after.metadata.managedFields,
          managedFields.filter((each) => each.manager !== INJECTION_MANAGER),
        );
        for (const [index, each] of containers.entries()) {
          const owners = new Set(all.filter(({ owns }) => owns.includes(each.name)).map((one) => one.manager));
          const oursAlone = owners.size === 1 && owners.has(INJECTION_MANAGER);
          const isOurs = ({ name: key, value }: { readonly name: string; readonly value: string }): boolean =>
            key === LFH_ID || (key === SUBSCRIBERS && value === '[]');
          const stays = each.env.filter((one) => !(oursAlone && isOurs(one)));
          assert.deepEqual(pod.containers[index]?.env, stays);
        }
      }),
    );
  });

  it('has no steps where there is no sidecar, and demands the version that was read where there is one', () => {
    assert.deepEqual(removalOf(workload()), []);
    const [first] = removalOf(workload({ volumes: [{ name: 'lfh-sync' }] }));
    assert.deepEqual(first, { op: 'replace', path: '/metadata/resourceVersion', value: '7' });
  });
});

describe('isOfAnotherNode', () => {
  it('is true of a sidecar that does not mount the settings of this node', () => {
    const named = (name: string): { name: string } => ({ name });
    const settingsOf = (node: string): object => ({ configMap: { name: `${node}-sidecar` } });
    const volume = (...sources: object[]): object => ({ name: 'lfh-sync', projected: { sources } });
    const key = { secret: { name: 'local-nkey' } };
    const rows: readonly [pod: Partial<PodSpec>, expected: boolean][] = [
      [{}, false],
      [{ initContainers: [named('proxy')], volumes: [named('data')] }, false],
      [{ initContainers: [named('lfh-sync')], volumes: [volume(settingsOf('local'), key) as Volume] }, false],
      [{ volumes: [{ name: 'lfh-sync', ...settingsOf('local') }] }, false],
      [{ initContainers: [named('lfh-sync')], volumes: [volume(settingsOf('second'), key) as Volume] }, true],
      [{ volumes: [named('lfh-sync'), { name: 'mine', ...settingsOf('local') }] }, true],
      [{ initContainers: [named('lfh-sync')] }, true],
    ];
    for (const [pod, expected] of rows) {
      assert.equal(isOfAnotherNode(workload(pod), 'local'), expected, JSON.stringify(pod));
    }
    const injected = workload({ volumes: [sidecarVolume(node()) as Volume] });
    assert.deepEqual([isOfAnotherNode(injected, 'local'), isOfAnotherNode(injected, 'second')], [false, true]);
  });
});

/** The record of somebody who has written the subscribers and the id of these containers. */
function owning(containers: readonly string[]): FieldSet {
  const value = { 'f:value': {} };
  const variable = (name: string): string => `k:${JSON.stringify({ name })}`;
  const entries = containers.map((each) => [
    variable(each),
    { 'f:env': { [variable(SUBSCRIBERS)]: value, [variable(LFH_ID)]: value } },
  ]);
  return { 'f:spec': { 'f:template': { 'f:spec': { 'f:containers': Object.fromEntries(entries) as FieldSet } } } };
}

/** What the API server makes of a JSON patch. */
function patched(object: Workload, steps: readonly JsonPatchStep[]): Workload {
  const copy = structuredClone(object);
  for (const { op, path } of steps) {
    if (op !== 'remove') continue;
    const keys = path.slice(1).split('/');
    const last = keys.pop() ?? '';
    const parent = keys.reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], copy);
    assert.ok(Array.isArray(parent) && Number(last) < parent.length, path);
    parent.splice(Number(last), 1);
  }
  return copy;
}

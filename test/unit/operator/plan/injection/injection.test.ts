import assert from 'node:assert/strict';
import type { Container, ManagedFields } from '../../../../../operator/api/objects.ts';
import { INJECTION_MANAGER, injectionOf } from '../../../../../operator/plan/injection/injection.ts';
import { NO_REFERENCES, type NodeObject, type References } from '../../../../../operator/plan/observed/observed.ts';
import { appliedPod } from './applied-pod.ts';
import { LFH_ID, metadata, node, SUBSCRIBERS, workload } from './fixtures.ts';

function outcomeOf(containers: readonly Container[], of = node(), references = NO_REFERENCES): string {
  const found = injectionOf({ node: of, image: 'i', workload: workload({ containers }), references });
  return found.refusal ? found.refusal.reason : 'Injected';
}

describe('injectionOf', () => {
  const env = (name: string, value?: string): Container => ({
    name: 'connect',
    env: [value === undefined ? { name, valueFrom: {} } : { name, value }],
  });
  const from = (source: object, prefix?: string): Container => ({
    name: 'connect',
    envFrom: [{ ...source, ...(prefix !== undefined && { prefix }) }],
  });
  const texts = (data: Record<string, string>): References => ({
    configMap: (name) => (name === 'settings' ? data : undefined),
    secret: (name) => (name === 'settings' ? data : undefined),
  });
  const configMap = { configMapRef: { name: 'settings' } };
  const keyOf = (ref: string): Container => ({
    name: 'connect',
    env: [{ name: LFH_ID, valueFrom: { [ref]: { name: 'settings', key: 'id' } } }],
  });

  const table: [what: string, container: Container, wanted: string, data?: Record<string, string>][] = [
    ['nothing about subscribers', { name: 'connect' }, 'Injected'],
    ['our own empty list', env(SUBSCRIBERS, '[]'), 'Injected'],
    ['a list', env(SUBSCRIBERS, '["tls://a:4222"]'), 'ConnectAlsoSubscribes'],
    [
      'an empty list that is not written exactly as ours, so that two managers would overwrite each other',
      env(SUBSCRIBERS, '[ ]'),
      'ConnectAlsoSubscribes',
    ],
    ['an empty text', env(SUBSCRIBERS, ''), 'ConnectAlsoSubscribes'],
    ['a value from a reference', env(SUBSCRIBERS), 'ConnectAlsoSubscribes'],
    ['a list under the name in small letters', env('nats_sync_subscribers', '["a"]'), 'ConnectAlsoSubscribes'],
    ['an empty list under the name in small letters', env('nats_sync_subscribers', '[]'), 'Injected'],
    ['a list under a similar name', env('MY_NATS_SYNC_SUBSCRIBERS', '["a"]'), 'Injected'],
    ['a ConfigMap with a list', from(configMap), 'ConnectAlsoSubscribes', { [SUBSCRIBERS]: '["a"]' }],
    ['a ConfigMap with an empty list', from(configMap), 'Injected', { [SUBSCRIBERS]: ' [ ] ' }],
    ['a ConfigMap that is not there', from({ configMapRef: { name: 'gone' } }), 'Injected', { [SUBSCRIBERS]: '["a"]' }],
    [
      'a Secret with a list',
      from({ secretRef: { name: 'settings' } }),
      'ConnectAlsoSubscribes',
      { [SUBSCRIBERS]: 'a' },
    ],
    [
      'a list whose name comes from a prefix and a ConfigMap',
      from(configMap, 'NATS_'),
      'ConnectAlsoSubscribes',
      { SYNC_SUBSCRIBERS: '["a"]' },
    ],
    ['a list whose name has another prefix', from(configMap, 'X_'), 'Injected', { [SUBSCRIBERS]: '["a"]' }],
    ['the id of the node', env(LFH_ID, 'local'), 'Injected'],
    ['another id', env(LFH_ID, 'hospital-x'), 'LfhIdMismatch'],
    ['an empty id', env(LFH_ID, ''), 'LfhIdMismatch'],
    ['another id under the name in small letters', env('connect_lfh_id', 'hospital-x'), 'LfhIdMismatch'],
    ['an id under a similar name', env('MY_CONNECT_LFH_ID', 'hospital-x'), 'Injected'],
    [
      'the name of each pod as its id',
      { name: 'connect', env: [{ name: LFH_ID, valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }] },
      'LfhIdMismatch',
    ],
    ['a ConfigMap with the id of the node', from(configMap), 'Injected', { [LFH_ID]: 'local' }],
    ['a ConfigMap with another id', from(configMap), 'LfhIdMismatch', { [LFH_ID]: 'hospital-x' }],
    [
      'a Secret with another id',
      from({ secretRef: { name: 'settings' } }),
      'LfhIdMismatch',
      { [LFH_ID]: 'hospital-x' },
    ],
    ['a key of a ConfigMap with the id of the node', keyOf('configMapKeyRef'), 'Injected', { id: 'local' }],
    ['a key of a Secret with another id', keyOf('secretKeyRef'), 'LfhIdMismatch', { id: 'hospital-x' }],
    ['a key of a ConfigMap that is not there', keyOf('configMapKeyRef'), 'LfhIdMismatch'],
    [
      'one id in `env`, and another in a ConfigMap',
      { ...env(LFH_ID, 'local'), ...from(configMap) },
      'LfhIdMismatch',
      { connect_lfh_id: 'x' },
    ],
  ];
  for (const [what, container, wanted, data = {}] of table) {
    it(`${wanted === 'Injected' ? 'injects' : 'refuses to inject'} where connect has ${what}`, () =>
      assert.equal(outcomeOf([container], node(), texts(data)), wanted));
  }

  it('gives connect the id of the node where it has none or has just that one, and only there', () => {
    const idIn = (container: Container, data: Record<string, string> = {}): string | undefined => {
      const found = injectionOf({
        node: node(),
        image: 'i',
        workload: workload({ containers: [container] }),
        references: texts(data),
      });
      const { template } = (found as { spec: { template: { spec: { containers: Container[] } } } }).spec;
      return template.spec.containers[0]?.env?.find(({ name }) => name === LFH_ID)?.value;
    };
    assert.equal(idIn({ name: 'connect' }), 'local');
    assert.equal(idIn(env(LFH_ID, 'local')), 'local');
    assert.equal(idIn(env('connect_lfh_id', 'local')), undefined);
    assert.equal(idIn(from(configMap), { [LFH_ID]: 'local' }), undefined);
    assert.equal(idIn(keyOf('configMapKeyRef'), { id: 'local' }), undefined);
  });

  it('repeats another id only where it is a plain one, and never one of a Secret', () => {
    const said = (container: Container, data: Record<string, string> = {}): string =>
      injectionOf({
        node: node(),
        image: 'i',
        workload: workload({ containers: [container] }),
        references: texts(data),
      }).refusal?.message ?? '';
    assert.match(said(env(LFH_ID, 'hospital-x')), /to hospital-x, and this node is local/);
    assert.match(said(env(LFH_ID, 'a\nb')), /to another id, and/);
    assert.match(
      said(keyOf('secretKeyRef'), { id: 'hospital-x' }),
      /env \(Secret settings, entry id\).* to another id, and/,
    );
  });

  it("finds connect's container: the only one, the one named connect, or the one that the spec names", () => {
    const both = [{ name: 'app' }, { name: 'proxy' }];
    assert.equal(outcomeOf([{ name: 'app' }]), 'Injected');
    assert.equal(outcomeOf([{ name: 'proxy' }, { name: 'connect' }]), 'Injected');
    assert.equal(outcomeOf(both), 'ContainerUnknown');
    const named = (container: string): NodeObject => node({ workloadRef: { name: 'connect' }, container });
    assert.equal(outcomeOf(both, named('app')), 'Injected');
    assert.equal(outcomeOf([{ name: 'app' }], named('connect')), 'ContainerUnknown');
    assert.equal(appliedPod(named('app'), workload({ containers: both })).containers[0]?.name, 'app');
  });

  it('refuses to inject beside a container or volume with our name, unless the status or our record says that it is ours', () => {
    const pods = [
      { containers: [{ name: 'connect' }, { name: 'lfh-sync' }] },
      { initContainers: [{ name: 'lfh-sync' }] },
      { volumes: [{ name: 'lfh-sync' }] },
    ];
    const outcomes = (of: NodeObject, managedFields: readonly ManagedFields[]): string[] =>
      pods.map((pod) => {
        const into = workload(pod, { metadata: metadata(managedFields) });
        return (
          injectionOf({ node: of, image: 'i', workload: into, references: NO_REFERENCES }).refusal?.reason ?? 'Injected'
        );
      });
    const ours = ['Conflict', 'Injected', 'Injected'];
    assert.deepEqual(outcomes(node(), [{ manager: 'kubectl' }]), ['Conflict', 'Conflict', 'Conflict']);
    assert.deepEqual(outcomes(node(undefined, 'Deployment/connect'), []), ours);
    assert.deepEqual(outcomes(node(), [{ manager: INJECTION_MANAGER }]), ours);
  });
});

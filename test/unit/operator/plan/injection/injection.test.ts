import assert from 'node:assert/strict';
import type { Container, ManagedFields } from '../../../../../operator/api/objects.ts';
import { INJECTION_MANAGER, injectionOf } from '../../../../../operator/plan/injection/injection.ts';
import type { NodeObject, References } from '../../../../../operator/plan/observed/observed.ts';
import { appliedPod } from './applied-pod.ts';
import { metadata, NO_REFERENCES, node, SUBSCRIBERS, workload } from './fixtures.ts';

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
  ];
  for (const [what, container, wanted, data = {}] of table) {
    it(`${wanted === 'Injected' ? 'injects' : 'refuses to inject'} where connect has ${what}`, () =>
      assert.equal(outcomeOf([container], node(), texts(data)), wanted));
  }

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

import assert from 'node:assert/strict';
import { isOfNode, isOurs, ownObject, podOutline, workloadOutline } from '../../../../cli/dump/trim.ts';
import type { Workload } from '../../../../operator/api/objects.ts';

const HIDDEN = 'correct-horse';

function workload(): Workload {
  const container = {
    name: 'connect',
    image: 'connect:1',
    args: [HIDDEN],
    command: [HIDDEN],
    env: [{ name: 'PASSWORD', value: HIDDEN }],
    livenessProbe: { exec: { command: [HIDDEN] } },
  };
  const sidecar = { name: 'lfh-sync', image: 'lfh-sync:1', env: [{ name: 'LFH_SYNC_NODE', value: 'local' }] };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'connect', annotations: { note: HIDDEN }, labels: { note: HIDDEN } },
    spec: {
      selector: {},
      template: {
        metadata: { annotations: { note: HIDDEN } },
        spec: {
          containers: [container],
          initContainers: [sidecar],
          volumes: [{ name: 'key', secret: { secretName: 's' } }],
        },
      },
    },
  };
}

describe('what goes into a support bundle', () => {
  it('is of a workload only what no password stands in', () => {
    const outline = JSON.stringify(workloadOutline(workload()));
    assert.ok(!outline.includes(HIDDEN), outline);
    for (const word of ['PASSWORD', 'connect:1', '"secret":"s"']) assert.ok(outline.includes(word), word);
  });

  it('is all of our own container', () => {
    assert.ok(JSON.stringify(workloadOutline(workload())).includes('{"name":"LFH_SYNC_NODE","value":"local"}'));
  });

  it('is of a pod whether it runs', () => {
    const status = { phase: 'Running', podIP: '10.0.0.1' };
    const metadata = { name: 'p', annotations: { note: HIDDEN } };
    const outline = podOutline({ apiVersion: 'v1', kind: 'Pod', metadata, spec: { nodeName: 'n' }, status });
    assert.ok(!JSON.stringify(outline).includes(HIDDEN));
    assert.deepEqual(
      Object.entries(outline).filter(([name]) => name === 'phase'),
      [['phase', 'Running']],
    );
  });

  it('is of a container of somebody else nothing that it has said when it ended', () => {
    const ended = { terminated: { exitCode: 1, message: HIDDEN } };
    const status = {
      containerStatuses: [{ name: 'connect', ready: false, state: ended, lastState: ended }],
      initContainerStatuses: [{ name: 'lfh-sync', state: { terminated: { exitCode: 2, message: 'ours' } } }],
    };
    const outline = JSON.stringify(
      podOutline({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec: {}, status }),
    );
    assert.ok(!outline.includes(HIDDEN), outline);
    for (const word of ['"exitCode":1', '"message":"ours"']) assert.ok(outline.includes(word), word);
  });

  it('is of our own resources all but what tools note in their metadata', () => {
    const metadata = { name: 'n', annotations: { 'kubectl.kubernetes.io/last-applied-configuration': HIDDEN } };
    const own = JSON.stringify(
      ownObject({ apiVersion: 'v1', kind: 'LfhSyncNode', metadata, spec: { lfhId: 'a' } } as never),
    );
    assert.ok(!own.includes(HIDDEN) && own.includes('"lfhId":"a"'));
  });

  it('is no ConfigMap and no event of somebody else', () => {
    const metadata = { name: 'local-nats', labels: { 'sync.linuxforhealth.io/node': 'local' } };
    const ours = { apiVersion: 'v1', kind: 'ConfigMap', metadata };
    assert.ok(isOfNode(ours, 'local'));
    assert.ok(!isOfNode({ ...ours, metadata: { name: 'local-nats' } }, 'local'));
    const event = (apiVersion: string): boolean =>
      isOurs({ apiVersion: 'events.k8s.io/v1', kind: 'Event', metadata: { name: 'e' }, regarding: { apiVersion } });
    assert.ok(event('sync.linuxforhealth.io/v1alpha1'));
    assert.ok(!event('v1') && !event('sync.linuxforhealth.io.example/v1'));
  });
});

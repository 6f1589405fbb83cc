import assert from 'node:assert/strict';
import {
  isInForceAfter,
  plannedRollouts,
  readRolloutNote,
  rolloutsOfWritten,
} from '../../../../../operator/plan/nats/config-rollout.ts';
import { ROLLOUT_NOTE } from '../../../../../operator/plan/observed/names.ts';
import type { NodeObject, PeerObject } from '../../../../../operator/plan/observed/observed.ts';
import { aNode, aPeer, observedOf, planOf } from '../fixtures.ts';

const { nats } = aNode().spec;

type Spec = Partial<NodeObject['spec']>;
const rollouts = (spec: Spec, peers: readonly PeerObject[] = []) =>
  planOf(observedOf(peers, { node: aNode({ spec }) })).rollouts;
const textsOf = (spec: Spec): string[] =>
  rollouts(spec).map(({ workload: { kind, name }, how }) => `${how} ${kind}/${name}`);
const natsRef = (more: Partial<NodeObject['spec']['nats']>): Spec => ({
  nats: { ...nats, workloadRef: { name: 'nats' }, ...more },
});

const both: Spec = { ...natsRef({}), connect: { workloadRef: { name: 'connect' } } };

describe('plannedRollouts', () => {
  const ROWS: readonly [what: string, spec: Spec, expected: readonly string[]][] = [
    ['is empty where the spec names no workload', {}, []],
    ['nudges the kubelets of NATS', natsRef({}), ['NudgeKubelet StatefulSet/nats']],
    [
      'nudges the kubelets of NATS although somebody else reloads it',
      natsRef({ reload: 'None' }),
      ['NudgeKubelet StatefulSet/nats'],
    ],
    ['restarts NATS where the spec asks for restarts', natsRef({ reload: 'Restart' }), ['Restart StatefulSet/nats']],
    [
      'takes the kind of the workload of NATS from the spec',
      natsRef({ workloadRef: { kind: 'DaemonSet', name: 'n' } }),
      ['NudgeKubelet DaemonSet/n'],
    ],
    [
      'nudges the kubelets of connect',
      { connect: { workloadRef: { name: 'connect' } } },
      ['NudgeKubelet Deployment/connect'],
    ],
    [
      'takes the kind of the workload of connect from the spec',
      { connect: { workloadRef: { kind: 'StatefulSet', name: 'c' } } },
      ['NudgeKubelet StatefulSet/c'],
    ],
    [
      'nudges the kubelets of both',
      { ...natsRef({}), connect: { workloadRef: { name: 'c' } } },
      ['NudgeKubelet StatefulSet/nats', 'NudgeKubelet Deployment/c'],
    ],
  ];
  for (const [what, spec, expected] of ROWS) it(what, () => assert.deepEqual(textsOf(spec), expected));

  const hashes = (...peers: readonly PeerObject[]): string[] => rollouts(both, peers).map(({ hash }) => hash);

  it('has a hash that changes with the content of the ConfigMap and with nothing else', () => {
    const now = hashes(aPeer('b'));
    assert.deepEqual(hashes(aPeer('b', { metadata: { generation: 9 } })), now);
    const [natsHash, sidecarHash] = hashes(aPeer('b', { spec: { receive: { paused: true } } }));
    assert.equal(natsHash, now[0]);
    assert.notEqual(sidecarHash, now[1]);
    const [otherNats, otherSidecar] = hashes(aPeer('b', { spec: { send: { paused: true } } }));
    assert.notEqual(otherNats, now[0]);
    assert.equal(otherSidecar, now[1]);
    for (const hash of now) assert.match(hash, /^[0-9a-f]{12}$/, 'the value of an annotation');
  });

  it('is empty for a node without a workload and for a node with a problem', () => {
    const { files } = planOf(observedOf([]));
    assert.ok(files);
    const sidecar = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' }, data: {} };
    assert.deepEqual(plannedRollouts(aNode(), files.hash, [sidecar]), []);
    assert.deepEqual(planOf(observedOf([], { node: aNode({ metadata: { name: 'a.b' }, spec: both }) })).rollouts, []);
  });
});

describe('rolloutsOfWritten', () => {
  it('gives the planned rollouts for ConfigMaps as the API server returns them, and none for none', () => {
    const node = aNode({ spec: both });
    const { objects, rollouts: planned } = planOf(observedOf([aPeer('b')], { node }));
    const [natsFiles, ...settings] = objects.slice(0, 2).map((object) => ({
      ...object,
      data: Object.fromEntries(Object.entries(object.data ?? {}).toReversed()),
    }));
    assert.deepEqual(rolloutsOfWritten(node, natsFiles, settings), planned);
    assert.deepEqual(rolloutsOfWritten(node, undefined, []), []);
  });
});

describe('a ConfigMap whose rollout could not be done', () => {
  it('comes into force by itself, but not where nats-server has to be restarted for it', () => {
    assert.equal(isInForceAfter({ how: 'NudgeKubelet' }, undefined), true);
    assert.equal(isInForceAfter({ how: 'Restart' }, undefined), false);
    for (const isThere of [true, false]) assert.equal(isInForceAfter({ how: 'Restart' }, isThere), true);
  });
});

describe('readRolloutNote', () => {
  it('reads the note that a node left behind, limited to what mounts its ConfigMap, and nothing else', () => {
    const node = aNode({ spec: natsRef({ reload: 'Restart' }) });
    const { objects, rollouts: planned } = planOf(observedOf([], { node }));
    const [written] = objects;
    assert.ok(written);
    const noted = (text: string | undefined) => readRolloutNote(written, text);
    const note = written.metadata.annotations?.[ROLLOUT_NOTE];
    assert.equal(note, 'Restart StatefulSet/nats');
    assert.deepEqual(noted(note), { ...planned[0], mounting: 'local-nats' });
    for (const none of [undefined, '', 'Restart Pod/nats', 'Restart StatefulSet/', 'Delete StatefulSet/nats']) {
      assert.equal(noted(none), undefined);
    }
  });
});

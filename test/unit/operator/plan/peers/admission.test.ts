import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { NodeObject, PeerObject } from '../../../../../operator/plan/observed/observed.ts';
import { admit, nodeConflict } from '../../../../../operator/plan/peers/admission.ts';
import { aNode, aPeer, OWN_KEY, PUBLISHED_KEY, userKey } from '../fixtures.ts';

const day = (number: number): { readonly creationTimestamp: string } => ({
  creationTimestamp: `2026-11-${String(number).padStart(2, '0')}T08:00:00Z`,
});
const ADMINISTRATOR = userKey('administrator');

/** By the name of each peer, oldest first: why it is not dealt with. */
function conflictsOf(peers: readonly PeerObject[], node = aNode()): Record<string, string | undefined> {
  const admissions = admit(node, [OWN_KEY, ADMINISTRATOR], peers);
  return Object.fromEntries(admissions.map(({ peer, conflict }) => [peer.metadata.name, conflict]));
}

describe('peers of a node', () => {
  const old = aPeer('old', { metadata: day(1) });

  const ROWS: readonly [what: string, peer: PeerObject, conflict: RegExp | undefined][] = [
    ['id and key of its own', aPeer('new'), undefined],
    ['the id of an older one', aPeer('new', { spec: { lfhId: 'old' } }), /^spec\.lfhId is that of the older peer old;/],
    ['an id in other case', aPeer('new', { spec: { lfhId: 'OLD' } }), undefined],
    ["the node's own id", aPeer('new', { spec: { lfhId: 'hospital-a' } }), /^spec\.lfhId is this node's own/],
    [
      'a key of an older one',
      aPeer('new', { spec: { publicKeys: [userKey('new'), userKey('old')] } }),
      /^spec\.publicKeys\[1\] is that of the older peer old/,
    ],
    ["the node's own key", aPeer('new', { spec: { publicKeys: [OWN_KEY] } }), /publicKeys\[0\] is this node's own/],
    [
      "the key of the node's administrator",
      aPeer('new', { spec: { publicKeys: [ADMINISTRATOR] } }),
      /publicKeys\[0\] is this node's own/,
    ],
    ['one key twice', aPeer('new', { spec: { publicKeys: [userKey('new'), userKey('new')] } }), undefined],
    ['no key', aPeer('new', { spec: { publicKeys: undefined } }), undefined],
    [
      "an id whose account would be the node's",
      aPeer('new', { spec: { lfhId: 'x' } }),
      /^spec\.lfhId: the peer's account would be named lfh-sync-x/,
    ],
  ];
  for (const [what, peer, conflict] of ROWS) {
    it(`are ${conflict ? 'not admitted' : 'admitted'} with ${what}`, () => {
      const { nats } = aNode().spec;
      const node = aNode({ spec: { nats: { ...nats, account: 'lfh-sync-x' } } });
      // In either order: what counts is who was there first.
      for (const peers of [
        [old, peer],
        [peer, old],
      ]) {
        const { old: ofOld, new: ofNew } = conflictsOf(peers, node);
        assert.equal(ofOld, undefined);
        if (conflict) assert.match(ofNew ?? 'none', conflict);
        else assert.equal(ofNew, undefined);
        assert.doesNotMatch(ofNew ?? '', /U[A-Z2-7]{20}/);
      }
    });
  }

  it('with a published or a damaged key conflict with nobody by it: neither is let in with it', () => {
    const keys = { publicKeys: [PUBLISHED_KEY, `U${'A'.repeat(55)}`] };
    assert.deepEqual(conflictsOf([aPeer('b', { spec: keys }), aPeer('c', { spec: keys })]), {
      b: undefined,
      c: undefined,
    });
  });

  it('have an account of no name of theirs with isolation Users', () => {
    const { nats } = aNode().spec;
    const node = aNode({ spec: { nats: { ...nats, account: 'lfh-sync-b', isolation: 'Users' } } });
    assert.deepEqual(conflictsOf([aPeer('b')], node), { b: undefined });
  });

  it('made in the same second are told apart by their names', () => {
    const same = [aPeer('c', { spec: { lfhId: 'x' } }), aPeer('b', { spec: { lfhId: 'x' } })];
    assert.deepEqual(conflictsOf(same).b, undefined);
    assert.match(conflictsOf(same).c ?? '', /older peer b/);
  });

  it('that are not admitted claim nothing for themselves', () => {
    const peers = [
      old,
      aPeer('second', { spec: { lfhId: 'old', publicKeys: [userKey('free')] }, metadata: day(2) }),
      aPeer('third', { spec: { publicKeys: [userKey('free')] }, metadata: day(3) }),
    ];
    assert.equal(conflictsOf(peers).third, undefined);
  });

  it('are never merged: whoever is admitted shares neither id nor key with anybody', () => {
    const peer = fc.record({
      lfhId: fc.constantFrom('hospital-a', 'x', 'y', 'z'),
      publicKeys: fc.array(fc.constantFrom(OWN_KEY, userKey('1'), userKey('2'), userKey('3')), { maxLength: 3 }),
      seconds: fc.nat({ max: 2 }),
    });
    fc.assert(
      fc.property(fc.array(peer, { maxLength: 8 }), (specs) => {
        const peers = specs.map(({ seconds, ...spec }, index) =>
          aPeer(`peer-${index}`, { spec, metadata: { creationTimestamp: `2026-11-21T08:00:0${seconds}Z` } }),
        );
        const admitted = admit(aNode(), [OWN_KEY], peers).flatMap(({ peer: { spec }, conflict }) =>
          conflict === undefined ? [spec] : [],
        );
        const ids = ['hospital-a', ...admitted.map(({ lfhId }) => lfhId)];
        assert.equal(new Set(ids).size, ids.length);
        const keys = [OWN_KEY, ...admitted.flatMap(({ publicKeys }) => [...new Set(publicKeys)])];
        assert.equal(new Set(keys).size, keys.length);
      }),
    );
  });
});

describe('nodes that name the same nats-server', () => {
  const withServer = (server: string, namespace: string, created: number): NodeObject =>
    aNode({
      spec: { nats: { servers: [`tls://${created}.example.org`, server] } },
      metadata: { name: `in-${namespace}`, namespace, ...day(created) },
    });

  const SAME: readonly [one: string, other: string, namespace?: string][] = [
    ['tls://nats:4222', 'tls://nats', 'lfh'],
    ['tls://nats:4222', 'tls://nats.lfh:4222'],
    ['tls://nats', 'tls://nats.lfh.svc'],
    ['tls://nats', 'tls://nats.lfh.svc.cluster.local:4222'],
    ['tls://nats', 'tls://nats.lfh.svc.cluster.local.:4222'],
    ['tls://nats', 'tls://NATS.Lfh'],
    ['tls://nats.example.org', 'tls://NATS.example.org.:04222'],
    ['tls://10.0.0.1', 'tls://10.0.0.1:4222'],
    ['tls://[fd00::1]', 'tls://[FD00:0::1]:4222'],
  ];
  for (const [one, other, namespace = 'site-b'] of SAME) {
    it(`are in conflict, the younger one is told: ${one} and ${other}`, () => {
      const older = withServer(one, 'lfh', 1);
      const younger = withServer(other, namespace, 2);
      const named = { ...younger, metadata: { ...younger.metadata, name: 'younger' } };
      assert.match(nodeConflict(named, [older]) ?? 'none', /^LfhSyncNode lfh\/in-lfh has the same nats-server/);
      assert.equal(nodeConflict(older, [named]), undefined);
    });
  }

  const told = (node: NodeObject, status: 'True' | 'False', reason: string, observedGeneration = 1): NodeObject => {
    const condition = {
      type: 'NatsConfigLive',
      status,
      reason,
      observedGeneration,
      message: '',
      lastTransitionTime: '',
    };
    return { ...node, metadata: { ...node.metadata, generation: 1 }, status: { conditions: [condition] } };
  };
  const old = withServer('tls://nats.example.org', 'lfh', 1);
  const young = withServer('tls://nats.example.org', 'site-b', 2);
  const TAKEN: readonly [what: string, winner: NodeObject, loser: NodeObject][] = [
    [
      "is in the Service's own namespace, by an older one elsewhere that claims to run there",
      withServer('tls://nats', 'site-b', 2),
      told(withServer('tls://nats.site-b.svc:4222', 'lfh', 1), 'True', 'Live'),
    ],
    ['runs there, by an older one that says so now', told(young, 'True', 'Live'), old],
    [
      'runs there, by an older one that ran elsewhere until now',
      told(young, 'True', 'Live'),
      told(old, 'True', 'Live', 0),
    ],
    ['has to prove itself anew, by one that was told to keep off', young, told(old, 'False', 'Conflict')],
    [
      'is older, by one that was told to keep off',
      told(old, 'False', 'NatsUnreachable'),
      told(young, 'False', 'Conflict'),
    ],
  ];
  for (const [what, winner, loser] of TAKEN) {
    it(`keep their server where it is not taken from one that ${what}`, () => {
      assert.equal(nodeConflict(winner, [loser]), undefined);
      assert.match(nodeConflict(loser, [winner]) ?? 'none', /has the same nats-server/);
    });
  }

  const APART: readonly [one: string, other: string][] = [
    ['tls://nats', 'tls://nats'],
    ['tls://nats.lfh', 'tls://nats.site-b'],
    ['tls://nats:4222', 'tls://nats.lfh:4223'],
    ['tls://nats.example.org', 'tls://nats.example.com'],
    ['tls://nats.lfh', 'tls://nats.lfh.example.org'],
  ];
  for (const [one, other] of APART) {
    it(`are not where they differ: ${one} in lfh and ${other} in site-b`, () => {
      assert.equal(nodeConflict(withServer(other, 'site-b', 2), [withServer(one, 'lfh', 1)]), undefined);
    });
  }

  it('do not stop each other with what is no URL, though the API server lets it through', () => {
    const broken = withServer('tls://nats:99999', 'lfh', 1);
    assert.equal(nodeConflict(withServer('tls://nats', 'site-b', 2), [broken]), undefined);
  });
});

import assert from 'node:assert/strict';
import { nodeConflict } from '../../../../../operator/plan/node/conflict.ts';
import type { NodeObject } from '../../../../../operator/plan/observed/observed.ts';
import { aNode } from '../fixtures.ts';

describe('nodeConflict', () => {
  const withServer = (server: string, namespace: string, created: number): NodeObject =>
    aNode({
      spec: { nats: { servers: [`tls://${created}.example.org`, server] } },
      metadata: { name: `in-${namespace}`, namespace, creationTimestamp: `2026-11-0${created}T08:00:00Z` },
    });

  const SAME: readonly [one: string, other: string, namespace?: string][] = [
    ['tls://nats:4222', 'tls://nats', 'lfh'],
    ['tls://nats:4222', 'tls://nats.lfh:4222'],
    ['tls://nats', 'tls://nats.lfh.svc'],
    ['tls://nats', 'tls://nats.lfh.svc.cluster.local:4222'],
    ['tls://nats', 'tls://nats.lfh.svc.cluster.local.:4222'],
    ['tls://nats', 'tls://NATS.Lfh'],
    ['tls://nats.example.org', 'tls://NATS.example.org.:04222', 'lfh'],
    ['tls://10.0.0.1', 'tls://10.0.0.1:4222', 'lfh'],
    ['tls://[fd00::1]', 'tls://[FD00:0::1]:4222', 'lfh'],
  ];
  for (const [one, other, namespace = 'site-b'] of SAME) {
    it(`refuses the younger of two nodes with the same nats-server: ${one} and ${other}`, () => {
      const older = withServer(one, 'lfh', 1);
      const younger = withServer(other, namespace, 2);
      const named = { ...younger, metadata: { ...younger.metadata, name: 'younger' } };
      assert.match(nodeConflict(named, [older]) ?? 'none', /^LfhSyncNode lfh\/in-lfh has the same nats-server/);
      assert.equal(nodeConflict(older, [named]), undefined);
    });
  }

  const reporting = (
    node: NodeObject,
    status: 'True' | 'False',
    reason: string,
    observedGeneration = 1,
  ): NodeObject => {
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
  const beside = (node: NodeObject): NodeObject => ({ ...node, metadata: { ...node.metadata, namespace: 'lfh' } });
  const TAKEN: readonly [what: string, winner: NodeObject, loser: NodeObject][] = [
    [
      "is in the Service's own namespace, although an older node elsewhere reports that it runs there",
      withServer('tls://nats', 'site-b', 2),
      reporting(withServer('tls://nats.site-b.svc:4222', 'lfh', 1), 'True', 'Live'),
    ],
    [
      'reports that it runs there, although the other is older and has just named it',
      reporting(young, 'True', 'Live'),
      old,
    ],
    [
      'reports that it runs there, although the other is older and ran elsewhere until now',
      reporting(young, 'True', 'Live'),
      reporting(old, 'True', 'Live', 0),
    ],
    [
      'has not reported yet, although the other is older, which was in conflict before',
      beside(young),
      reporting(old, 'False', 'Conflict'),
    ],
    [
      'is older and cannot reach it just now, and not to the one that was in conflict before',
      reporting(old, 'False', 'NatsUnreachable'),
      reporting(beside(young), 'False', 'Conflict'),
    ],
    ['is older, where both are seen to run there', reporting(old, 'True', 'Live'), reporting(young, 'True', 'Live')],
  ];
  for (const [what, winner, loser] of TAKEN) {
    it(`leaves the nats-server to the node that ${what}`, () => {
      assert.equal(nodeConflict(winner, [loser]), undefined);
      assert.match(nodeConflict(loser, [winner]) ?? 'none', /has the same nats-server/);
    });
  }

  // Another namespace may be another tenant's, who names a server that is not theirs.
  const UNPROVEN: readonly [what: string, claimant: NodeObject, other: NodeObject][] = [
    ['is older and has just named it', old, young],
    ['is older and is not let in there', reporting(old, 'False', 'IncludeMissing'), young],
    ['is older, while the other cannot reach it', old, reporting(young, 'False', 'NatsUnreachable')],
    ['is older, while the other has a new generation', old, reporting(young, 'True', 'Live', 0)],
    ['has not reported, while the other was in conflict until now', old, reporting(young, 'False', 'Conflict')],
  ];
  for (const [what, claimant, other] of UNPROVEN) {
    it(`keeps no node of another namespace from a nats-server for one that ${what}`, () => {
      assert.equal(nodeConflict(other, [claimant]), undefined);
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
    it(`finds no conflict between different nats-servers: ${one} in lfh and ${other} in site-b`, () => {
      assert.equal(nodeConflict(withServer(other, 'site-b', 2), [withServer(one, 'lfh', 1)]), undefined);
    });
  }

  it('ignores a server that is not a URL, which the API server can let through', () => {
    const broken = withServer('tls://nats:99999', 'lfh', 1);
    assert.equal(nodeConflict(withServer('tls://nats', 'site-b', 2), [broken]), undefined);
  });
});

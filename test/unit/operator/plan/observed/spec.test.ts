import assert from 'node:assert/strict';
import { readDefinitions, type Schema } from '../../../../../crds/read.ts';
import type { NodeObject, PeerObject } from '../../../../../operator/plan/observed/observed.ts';
import { keyStep } from '../../../../../operator/plan/trust/node-key.ts';
import { aKey, aNode, aPeer, certificate, HOUR_MS, NOW, observedOf, planOf, references, userKey } from '../fixtures.ts';

/** What the API server makes of an object: with the defaults of everything that is left out. */
function withDefaults<Value>(value: Value, schema: Schema | undefined): Value {
  if (Array.isArray(value) || typeof value !== 'object' || value === null) return value;
  const properties = Object.entries(schema?.properties ?? {}).flatMap(([name, property]) => {
    const given = (value as Readonly<Record<string, unknown>>)[name] ?? property.default;
    return given === undefined ? [] : [[name, withDefaults(given, property)] as const];
  });
  return { ...value, ...Object.fromEntries(properties) };
}

function schemaOf(kind: string): Schema | undefined {
  return readDefinitions().find((definition) => definition.kind === kind)?.schema;
}

const defaultedNode = (node: NodeObject): NodeObject => withDefaults(node, schemaOf('LfhSyncNode'));
const defaultedPeer = (peer: PeerObject): PeerObject => withDefaults(peer, schemaOf('LfhSyncPeer'));

describe('the defaults of the operator', () => {
  const sasl = { mechanism: 'plain', username: 'u', passwordSecretRef: { name: 'found' } } as const;
  const nodes: Readonly<Record<string, NodeObject>> = {
    'the smallest there is': aNode({ spec: { nats: { servers: ['tls://nats:4222'] } } }),
    'with everything that has defaults inside': aNode({
      spec: {
        nats: {
          servers: ['tls://nats:4222'],
          ca: { configMapRef: { name: 'found' } },
          workloadRef: { name: 'nats' },
        },
        kafka: { brokers: ['kafka:9092'], ca: { secretRef: { name: 'found' } }, sasl, topics: {} },
        connect: { workloadRef: { name: 'connect' } },
        key: {},
      },
    }),
  };
  const peers: Readonly<Record<string, PeerObject>> = {
    'the smallest there is': aPeer('b', { spec: { ca: undefined } }),
    'with everything that has defaults inside': aPeer('b', {
      spec: { ca: { secretRef: { name: 'found' } }, nodeRef: {}, receive: { startFrom: {} }, send: {} },
    }),
  };
  const texts = { found: { 'ca.crt': certificate('ca-c'), password: 'not to be seen' } };
  const found = references(texts, texts);

  for (const [what, node] of Object.entries(nodes)) {
    it(`are those of the CRD for a node, ${what}`, () => {
      const all = observedOf([aPeer('b')], { node, references: found });
      const given = planOf({ ...all, node: defaultedNode(node) });
      assert.notDeepEqual(defaultedNode(node), node);
      assert.equal(given.problem, undefined);
      assert.deepEqual(given, planOf(all));
    });
  }

  for (const [what, peer] of Object.entries(peers)) {
    it(`are those of the CRD for a peer, ${what}`, () => {
      const given = planOf(observedOf([defaultedPeer(peer)], { references: found }));
      assert.notDeepEqual(defaultedPeer(peer), peer);
      const { objects, granted, durables, rollouts } = planOf(observedOf([peer], { references: found }));
      assert.deepEqual([given.objects, given.durables, given.rollouts], [objects, durables, rollouts]);
      assert.equal(given.granted.length, granted.length);
    });
  }

  it("are those of the CRD for a key's overlap", () => {
    for (const hours of [23.9, 24.1]) {
      const rotatedAt = new Date(NOW - hours * HOUR_MS).toISOString();
      const key = aKey({ previous: { publicKey: userKey('before'), published: false }, rotatedAt });
      const steps = [aNode(), defaultedNode(aNode())].map(
        (node) => keyStep(node, key, { inUse: [], unseen: [] }, NOW).step,
      );
      assert.deepEqual(steps, hours > 24 ? ['dropPrevious', 'dropPrevious'] : ['use', 'use']);
    }
  });
});

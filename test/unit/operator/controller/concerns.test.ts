import assert from 'node:assert/strict';
import { KINDS, type KubeObject, type Metadata } from '../../../../operator/api/objects.ts';
import {
  allNodeKeys,
  concernedByContent,
  concernedByNode,
  concernedByPeer,
  concernedByService,
  concernedBySlice,
  isOnlyStatus,
  referencedBy,
} from '../../../../operator/controller/concerns.ts';
import type { NodeObject, PeerObject } from '../../../../operator/plan/observed/observed.ts';
import { aNode, aPeer } from '../plan/fixtures.ts';

function node(name: string, servers: readonly string[], spec: Partial<NodeObject['spec']> = {}, namespace = 'lfh') {
  return aNode({ metadata: { name, namespace, uid: `${namespace}-${name}` }, spec: { nats: { servers }, ...spec } });
}

function content(name: string, metadata: Partial<Metadata> = {}): KubeObject {
  const { apiVersion, kind } = KINDS.configMap;
  return { apiVersion, kind, metadata: { name, namespace: 'lfh', ...metadata } };
}

const labelled = (nodeName: string) => ({ labels: { 'sync.linuxforhealth.io/node': nodeName } });

describe('a change of only the status', () => {
  const before = aNode();
  const changed = (metadata: Partial<Metadata>): NodeObject => aNode({ metadata });

  it('is one that leaves the generation as it is', () => {
    assert.equal(isOnlyStatus(changed({ resourceVersion: '2' }), before), true);
    assert.equal(isOnlyStatus(changed({ annotations: { a: 'b' } }), before), true);
  });

  it('is not a new spec, a deletion, an object of the same name that was made again, or a new object', () => {
    assert.equal(isOnlyStatus(changed({ generation: 4 }), before), false);
    assert.equal(isOnlyStatus(changed({ deletionTimestamp: '2026-11-25T12:00:00Z' }), before), false);
    assert.equal(isOnlyStatus(changed({ uid: 'another' }), before), false);
    assert.equal(isOnlyStatus(before, undefined), false);
  });
});

describe('a node that changed', () => {
  const own = node('own', ['tls://nats:4222', 'tls://second:4222']);
  const sharing = node('sharing', ['tls://second:4222'], {}, 'elsewhere');
  const apart = node('apart', ['tls://other:4222']);

  it('concerns itself, and nodes of any namespace that name one of its servers', () => {
    assert.deepEqual(concernedByNode(own, [own, sharing, apart]), ['lfh/own', 'elsewhere/sharing']);
  });

  it('concerns itself also after it was deleted', () => {
    assert.deepEqual(concernedByNode(own, [apart]), ['lfh/own']);
  });
});

describe('a peer that changed', () => {
  const of = (name: string | undefined): PeerObject =>
    aPeer('b', { spec: { nodeRef: name === undefined ? name : { name } } });

  it('concerns its node, and the node that it belonged to before', () => {
    assert.deepEqual(concernedByPeer(of('second'), undefined), ['lfh/second']);
    assert.deepEqual(concernedByPeer(of('second'), of('first')), ['lfh/second', 'lfh/first']);
    assert.deepEqual(concernedByPeer(of('second'), of('second')), ['lfh/second']);
  });

  it('concerns the node called local where it names none', () => {
    assert.deepEqual(concernedByPeer(of(undefined), undefined), ['lfh/local']);
  });
});

describe('a ConfigMap or Secret that changed', () => {
  const referring = node('referring', [], {
    key: { secretRef: { name: 'brought-key' } },
    nats: { servers: [], ca: { configMapRef: { name: 'our-ca' } } },
    kafka: {
      brokers: ['kafka:9092'],
      ca: { secretRef: { name: 'kafka-ca' } },
      sasl: { mechanism: 'scram-sha-512', username: 'x', passwordSecretRef: { name: 'kafka-password' } },
    },
  });
  const withPeer = node('with-peer', []);
  const foreign = node('referring', [], referring.spec, 'elsewhere');
  const peer = aPeer('b', { spec: { nodeRef: { name: 'with-peer' }, ca: { configMapRef: { name: 'peer-ca' } } } });
  const concerned = (object: KubeObject, before?: KubeObject): string[] =>
    concernedByContent(object, before, [referring, withPeer, foreign], [peer]);

  it('concerns the node whose label it has, also where that node does not exist', () => {
    assert.deepEqual(concerned(content('anything', labelled('gone'))), ['lfh/gone']);
  });

  it('concerns the node whose label it had, so that a label that somebody removed is restored', () => {
    assert.deepEqual(concerned(content('x'), content('x', labelled('with-peer'))), ['lfh/with-peer']);
    const moved = concerned(content('x', labelled('referring')), content('x', labelled('with-peer')));
    assert.deepEqual(moved, ['lfh/referring', 'lfh/with-peer']);
  });

  it('concerns the nodes of its own namespace that refer to it', () => {
    for (const name of ['brought-key', 'our-ca', 'kafka-ca', 'kafka-password']) {
      assert.deepEqual(concerned(content(name)), ['lfh/referring'], name);
    }
    assert.deepEqual(concerned(content('our-ca', { namespace: 'elsewhere' })), ['elsewhere/referring']);
  });

  it('concerns the node of a peer that refers to it', () => {
    assert.deepEqual(concerned(content('peer-ca')), ['lfh/with-peer']);
  });

  it("holds up nobody by one tenant's many nodes and peers", function () {
    const nodes = Array.from({ length: 1_000 }, (_none, n) => node(`n${n}`, []));
    const peers = Array.from({ length: 5_000 }, (_none, n) =>
      aPeer(`p${n}`, { spec: { nodeRef: { name: `n${n % 1_000}` }, ca: { configMapRef: { name: `ca-${n}` } } } }),
    );
    const began = performance.now();
    for (let n = 0; n < 20; n += 1) {
      assert.deepEqual(concernedByContent(content(`ca-${n}`), undefined, nodes, peers), [`lfh/n${n}`]);
    }
    // Of a namespace with thousands of ConfigMaps each is looked at when the operator starts. It took 7 s to look at these.
    const took = performance.now() - began;
    assert.ok(took < 5_000, `${took} ms`);
  });

  it('concerns a node without a Secret of its own where it is the key that the operator made', () => {
    assert.deepEqual(concerned(content('with-peer-nkey')), ['lfh/with-peer']);
    assert.deepEqual(concerned(content('referring-nkey')), []);
    assert.ok(!referencedBy(referring, []).has('referring-nkey'));
  });

  it('concerns nobody where no node refers to it and it has no label of ours', () => {
    assert.deepEqual(concerned(content('unrelated'), content('unrelated')), []);
  });
});

describe('an EndpointSlice that changed', () => {
  const slice = (service: string | undefined, namespace = 'lfh'): KubeObject => {
    const labels = service === undefined ? {} : { 'kubernetes.io/service-name': service };
    return { ...KINDS.endpointSlice, metadata: { name: 'nats-x7k2p', namespace, labels } };
  };
  const nodes = [
    node('short', ['tls://nats:4222']),
    node('long', ['tls://nats.lfh.svc.cluster.local:4222']),
    node('pod', ['tls://nats-0.nats:4222']),
    node('address', ['tls://10.0.0.1:4222']),
    node('elsewhere', ['tls://nats:4222'], {}, 'elsewhere'),
  ];

  it('concerns the nodes of its namespace that have its Service among their servers', () => {
    assert.deepEqual(concernedBySlice(slice('nats'), nodes), ['lfh/short', 'lfh/long']);
    assert.deepEqual(concernedBySlice(slice('nats', 'elsewhere'), nodes), ['elsewhere/elsewhere']);
    assert.deepEqual(concernedBySlice(slice('kafka'), nodes), []);
  });

  it('concerns nobody where it is of no Service', () => {
    assert.deepEqual(concernedBySlice(slice(undefined), nodes), []);
  });
});

describe('a Service', () => {
  it('concerns the nodes of its namespace that take the address for their peers from it, and no others', () => {
    const from = (name: string, service: string, namespace = 'lfh') =>
      node(name, [], { nats: { servers: [], advertiseFrom: { serviceRef: { name: service } } } }, namespace);
    const nodes = [from('a', 'peers'), from('b', 'other'), from('c', 'peers', 'elsewhere'), node('d', ['tls://peers'])];
    assert.deepEqual(concernedByService(content('peers'), nodes), ['lfh/a']);
  });
});

describe('every node that there is to reconcile', () => {
  it('is each that exists, that a peer names, or that left a ConfigMap behind; each once', () => {
    const peers = [
      aPeer('b', { spec: { nodeRef: { name: 'own' } } }),
      aPeer('c', { spec: { nodeRef: { name: 'missing' } } }),
    ];
    const configMaps = [content('own-nats', labelled('own')), content('gone-nats', labelled('gone')), content('other')];
    assert.deepEqual(allNodeKeys([node('own', [])], peers, configMaps), ['lfh/own', 'lfh/missing', 'lfh/gone']);
  });
});

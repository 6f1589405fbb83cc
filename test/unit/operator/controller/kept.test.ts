import assert from 'node:assert/strict';
import { keptNode, keptPeer, keptService, keptSlice } from '../../../../operator/controller/kept.ts';
import { aNode, aPeer } from '../plan/fixtures.ts';

const LONG = 'x'.repeat(250_000);
/** What anyone may write on an object that the operator watches. */
const FILLING = {
  annotations: { filling: LONG },
  labels: { team: 'b' },
  ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: LONG, uid: 'u' }],
};
const METADATA = {
  name: 'nats',
  namespace: 'lfh',
  uid: 'u-1',
  resourceVersion: '7',
  generation: 2,
  creationTimestamp: '2026-11-01T08:00:00Z',
  deletionTimestamp: '2026-11-02T08:00:00Z',
};

describe('what the operator keeps', () => {
  it('of a node or peer is its spec, its status, and which one it is', () => {
    const status = { name: 'lfh-sync-a' };
    for (const [object, keep] of [
      [aNode({ metadata: METADATA, status }), keptNode],
      [aPeer('b', { metadata: METADATA, status }), keptPeer],
    ] as const) {
      const filled = { ...object, metadata: { ...object.metadata, ...FILLING }, more: LONG };
      assert.deepEqual((keep as (each: typeof filled) => unknown)(filled), { ...object, metadata: METADATA });
    }
  });

  it('of a Service is its ports, and where it is reached from outside, 16 times at most', () => {
    const ports = [{ port: 4222, name: 'nats', nodePort: 30_422, targetPort: LONG }, { port: 80 }];
    const many = Array.from({ length: 200 }, (_, index) => `192.0.2.${index}`);
    const spec = { type: 'LoadBalancer', ports, externalName: LONG, externalIPs: many };
    const ingress = [{ hostname: 'lb.example.org', more: LONG }, ...many.map((ip) => ({ ip }))];
    const status = { loadBalancer: { ingress }, conditions: [LONG] };
    const service = { apiVersion: 'v1', kind: 'Service', metadata: { ...METADATA, ...FILLING }, spec, status };
    const kept = ports.map(({ targetPort: _port, ...port }) => port);
    assert.deepEqual(keptService(service), {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: METADATA,
      spec: { type: 'LoadBalancer', externalIPs: many.slice(0, 16), ports: kept },
      status: { loadBalancer: { ingress: [{ hostname: 'lb.example.org' }, ...ingress.slice(1, 16)] } },
    });
    const { spec: without, status: none } = keptService({ apiVersion: 'v1', kind: 'Service', metadata: METADATA });
    assert.deepEqual([without, none], [{ ports: [] }, undefined]);
  });

  const slice = (labels: Record<string, string>, addresses: string[][]): Parameters<typeof keptSlice>[0] => {
    const conditions = { ready: false, serving: true };
    const endpoints = addresses.map((each) => ({ addresses: each, conditions, hostname: LONG }));
    const metadata = { ...METADATA, ...FILLING, labels };
    const ports = [{ name: 'nats', port: 4222, protocol: 'TCP' }];
    return { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata, ports, endpoints };
  };

  it('of an EndpointSlice is whose it is, its ports, and where the endpoints are', () => {
    const labels = { 'kubernetes.io/service-name': 'nats' };
    assert.deepEqual(keptSlice(slice({ ...labels, team: LONG }, [['10.0.0.1'], ['10.0.0.2']])), {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { ...METADATA, labels },
      ports: [{ name: 'nats', port: 4222 }],
      endpoints: ['10.0.0.1', '10.0.0.2'].map((each) => ({ addresses: [each], conditions: { ready: false } })),
    });
  });

  it('of an EndpointSlice are no more addresses than Kubernetes puts into one, and none where no Service has it', () => {
    const many = Array.from({ length: 30 }, (_none, n) => Array.from({ length: 7 }, (_each, m) => `10.0.${n}.${m}`));
    const kept = keptSlice(slice({ 'kubernetes.io/service-name': 'nats' }, many));
    assert.deepEqual(
      kept.endpoints?.flatMap(({ addresses }) => addresses),
      many.flat().slice(0, 100),
    );
    assert.equal(keptSlice(slice({ team: 'b' }, many)).endpoints, undefined);
  });
});

import assert from 'node:assert/strict';
import type { Service } from '../../../../../operator/api/objects.ts';
import { advertisedBy } from '../../../../../operator/plan/observed/advertised.ts';
import { aNode } from '../fixtures.ts';

type From = NonNullable<ReturnType<typeof aNode>['spec']['nats']['advertiseFrom']>;

const { advertise: _advertise, ...nats } = aNode().spec.nats;
const PORT = { name: 'client', port: 4222, nodePort: 30422 };

function service(spec: Service['spec'], ingress?: readonly { ip?: string; hostname?: string }[]): Service {
  const status = ingress && { loadBalancer: { ingress } };
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'peers' },
    spec: spec ?? {},
    ...(status && { status }),
  };
}

function advertised(found: Service | undefined, from: Omit<From, 'serviceRef'> & { port?: number } = {}) {
  const { port, ...rest } = from;
  const serviceRef = { name: 'peers', ...(port !== undefined && { port }) };
  const node = aNode({ spec: { nats: { ...nats, advertiseFrom: { serviceRef, ...rest } } } });
  return advertisedBy(node, (name) => (name === 'peers' ? found : undefined));
}

describe('the address that a node advertises', () => {
  it('is what spec.nats.advertise says, where no Service is named', () => {
    const never = (): never => assert.fail('a Service was asked for');
    assert.deepEqual(advertisedBy(aNode(), never), { servers: ['tls://a.example.org:4222'] });
    assert.deepEqual(advertisedBy(aNode({ spec: { nats } }), never), { servers: [] });
  });

  it("is that of the Service's load balancer, each of them, with names before addresses", () => {
    const ingress = [{ ip: '192.0.2.1' }, { ip: '192.0.2.2', hostname: 'lb.example.org' }, { ip: '2001:db8::1' }];
    const { servers } = advertised(service({ type: 'LoadBalancer', ports: [PORT] }, ingress));
    assert.deepEqual(servers, ['tls://192.0.2.1:4222', 'tls://lb.example.org:4222', 'tls://[2001:db8::1]:4222']);
  });

  it('is the host that the spec names, where it names one', () => {
    const balancer = service({ type: 'LoadBalancer', ports: [{ port: 443 }] }, [{ ip: '192.0.2.1' }]);
    assert.deepEqual(advertised(balancer, { host: 'nats.example.org' }), { servers: ['tls://nats.example.org:443'] });
    const external = service({ ports: [PORT], externalIPs: ['192.0.2.1'] });
    assert.deepEqual(advertised(external, { host: 'nats.example.org' }), { servers: ['tls://nats.example.org:4222'] });
  });

  it('is a node port at that host, and the external addresses of a Service of another type', () => {
    const nodePort = service({ type: 'NodePort', ports: [PORT] });
    assert.deepEqual(advertised(nodePort, { host: '192.0.2.9' }), { servers: ['tls://192.0.2.9:30422'] });
    const external = service({ ports: [PORT], externalIPs: ['192.0.2.1', '192.0.2.2'] });
    assert.deepEqual(advertised(external), { servers: ['tls://192.0.2.1:4222', 'tls://192.0.2.2:4222'] });
  });

  it('is at the port that the spec names, of several', () => {
    const several = service({ type: 'LoadBalancer', ports: [PORT, { name: 'monitor', port: 8222 }] }, [{ ip: '::1' }]);
    assert.deepEqual(advertised(several, { port: 4222 }), { servers: ['tls://[::1]:4222'] });
  });

  const problems: readonly [what: string, found: Service | undefined, from: object, reason: string, message: RegExp][] =
    [
      ['there is no such Service', undefined, {}, 'AddressMissing', /there is no Service peers/],
      [
        'it has no ports',
        service({ type: 'LoadBalancer' }),
        { port: 4222 },
        'AddressMissing',
        /no port 4222, but none/,
      ],
      [
        'several ports may be meant',
        service({ type: 'LoadBalancer', ports: [PORT, { port: 8222 }] }, [{ ip: '::1' }]),
        {},
        'AddressMissing',
        /the ports 4222, 8222: set serviceRef\.port/,
      ],
      [
        'it has another port',
        service({ type: 'LoadBalancer', ports: [PORT] }, [{ ip: '::1' }]),
        { port: 443 },
        'AddressMissing',
        /no port 443, but 4222/,
      ],
      ['only the cluster reaches it', service({ ports: [PORT] }), {}, 'AddressMissing', /is a ClusterIP, which nobody/],
      [
        'the machines behind a node port are not known',
        service({ type: 'NodePort', ports: [PORT] }),
        {},
        'AddressMissing',
        /is a NodePort: set host/,
      ],
      [
        'there is no node port yet',
        service({ type: 'NodePort', ports: [{ port: 4222 }] }),
        { host: 'h' },
        'AddressPending',
        /no node port yet/,
      ],
      [
        'the load balancer has no address yet, whatever its name is',
        service({ type: 'LoadBalancer', ports: [PORT] }, [{}]),
        { host: 'nats.example.org' },
        'AddressPending',
        /has no address yet/,
      ],
    ];
  for (const [what, found, from, reason, message] of problems) {
    it(`is not known where ${what}`, () => {
      const { servers, problem } = advertised(found, from);
      assert.deepEqual([servers, problem?.reason], [[], reason]);
      assert.match(problem?.message ?? '', message);
      assert.match(problem?.message ?? '', /^spec\.nats\.advertiseFrom: .*; the invitation stays as it is$/);
    });
  }
});

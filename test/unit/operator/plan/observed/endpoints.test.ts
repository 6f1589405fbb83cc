import assert from 'node:assert/strict';
import type { EndpointSlice, Service } from '../../../../../operator/api/objects.ts';
import {
  type Endpoint,
  endpointsBehind,
  endpointsToAsk,
  listensAt,
  serverAt,
  serviceNamed,
} from '../../../../../operator/plan/observed/endpoints.ts';

describe("the endpoints of a node's NATS", () => {
  it('are looked up by the Service that the URL names, however it is written, in its own namespace only', () => {
    const named = (host: string): string | undefined => serviceNamed(`tls://${host}:4222`, 'lfh');
    for (const host of ['nats', 'nats.lfh', 'nats.lfh.svc', 'nats.lfh.svc.cluster.local'])
      assert.equal(named(host), 'nats');
    for (const host of ['nats.other', 'nats-0.nats.lfh.svc', 'nats.example.org', '10.0.0.1', '[fd00::1]'])
      assert.equal(named(host), undefined, host);
  });

  it('are the same for a host in upper case or with a dot at the end, and none for what is not a URL', () => {
    assert.deepEqual(listensAt('tls://NATS.Lfh.'), { host: 'nats.lfh', port: 4222 });
    assert.deepEqual(listensAt('tls://[FD00::1]:4223'), { host: 'fd00::1', port: 4223 });
    assert.equal(listensAt('tls://nats:99999'), undefined);
    assert.equal(serviceNamed('tls://NATS:4222', 'lfh'), 'nats');
    assert.equal(serviceNamed('tls://nats.lfh.svc.cluster.local.', 'lfh'), 'nats');
    assert.equal(serviceNamed('tls://nats:99999', 'lfh'), undefined);
  });

  const service: Service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'nats' },
    spec: {
      ports: [
        { name: 'nats', port: 4222 },
        { name: 'monitor', port: 8222 },
      ],
    },
  };

  function slice(addresses: readonly string[], ready?: boolean, addressType = 'IPv4'): EndpointSlice {
    const conditions = ready === undefined ? {} : { ready };
    return {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      addressType,
      metadata: { name: 'nats-x' },
      ports: [
        { name: 'monitor', port: 8222 },
        { name: 'nats', port: 14_222 },
      ],
      endpoints: addresses.map((address) => ({ addresses: [address], conditions })),
    };
  }

  it('are the pods, each once, with the port that it listens on', () => {
    const slices = [slice(['10.0.0.3', '10.0.0.2']), slice(['10.0.0.2'], true)];
    assert.deepEqual(endpointsBehind(service, slices, 4222), [
      { address: '10.0.0.2', port: 14_222 },
      { address: '10.0.0.3', port: 14_222 },
    ]);
  });

  it('are also the pods that are not ready, marked as such: the process of one may run on', () => {
    const slices = [slice(['10.0.0.2']), slice(['10.0.0.9', '10.0.0.2'], false)];
    assert.deepEqual(endpointsBehind(service, slices, 4222), [
      { address: '10.0.0.2', port: 14_222 },
      { address: '10.0.0.9', port: 14_222, notReady: true },
    ]);
  });

  it("are each pod once at its address of the Service's first family, where pods have addresses of both", () => {
    const slices = [slice(['fd00:10:1::3', 'fd00:10:1::4'], true, 'IPv6'), slice(['10.1.2.3', '10.1.2.4'])];
    const behind = (ipFamilies?: readonly string[]) =>
      endpointsBehind({ ...service, spec: { ...service.spec, ...(ipFamilies && { ipFamilies }) } }, slices, 4222)?.map(
        ({ address }) => address,
      );
    assert.deepEqual(behind(['IPv4', 'IPv6']), ['10.1.2.3', '10.1.2.4']);
    assert.deepEqual(behind(['IPv6', 'IPv4']), ['fd00:10:1::3', 'fd00:10:1::4']);
    assert.deepEqual(behind(), ['10.1.2.3', '10.1.2.4']);
    const single = { ...service, spec: { ...service.spec, ipFamilies: ['IPv6'] } };
    assert.deepEqual(endpointsBehind(single, [slice(['fd00::3'], true, 'IPv6')], 4222), [
      { address: 'fd00::3', port: 14_222 },
    ]);
  });

  it('are left to DNS where Kubernetes knows none', () => {
    assert.equal(endpointsBehind(undefined, [slice(['10.0.0.2'])], 4222), undefined);
    assert.equal(endpointsBehind(service, [slice(['10.0.0.2'])], 5222), undefined);
    assert.equal(endpointsBehind(service, [], 4222), undefined);
    assert.equal(endpointsBehind(service, [{ ...slice([]), ports: null, endpoints: null }], 4222), undefined);
  });
});

describe('the endpoints that are asked in a reconcile', () => {
  const NOW = 1_800_000_000_000;
  const ready: Endpoint = { address: '10.0.0.1', port: 4222 };
  const notReady = (last: number): Endpoint => ({ address: `10.0.1.${last}`, port: 4222, notReady: true });
  const asked = (endpoints: readonly Endpoint[], silentSince: Readonly<Record<string, number>> = {}): string[] =>
    [...endpointsToAsk(endpoints, new Map(Object.entries(silentSince)), NOW)].map(serverAt);

  it('are all that are ready, and one that is not and was not silent before', () => {
    assert.deepEqual(asked([notReady(2), ready]), ['10.0.0.1:4222', '10.0.1.2:4222']);
    assert.deepEqual(asked([ready], { '10.0.0.1:4222': NOW }), ['10.0.0.1:4222']);
  });

  it('are one that was silent only once a minute: a machine that is gone would hold up each of them', () => {
    const silentAt = (at: number): string[] => asked([ready, notReady(2)], { '10.0.1.2:4222': at });
    assert.deepEqual(silentAt(NOW - 59_999), ['10.0.0.1:4222']);
    assert.deepEqual(silentAt(NOW - 60_000), ['10.0.0.1:4222', '10.0.1.2:4222']);
    assert.deepEqual(silentAt(NOW + 60_000), ['10.0.0.1:4222', '10.0.1.2:4222'], 'the clock was set back');
  });

  it('are no more than a few that are not ready, and each of them in its turn', () => {
    const many = Array.from({ length: 40 }, (_, index) => notReady(index));
    const silentSince: Record<string, number> = {};
    for (let turn = 1; turn <= 3; turn += 1) {
      const found = asked(many, silentSince);
      assert.equal(found.length, turn < 3 ? 16 : 8);
      for (const server of found) silentSince[server] = NOW - 60_000 + turn;
    }
    assert.equal(Object.keys(silentSince).length, 40);
  });
});

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get as getHttp, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { everyAddress } from '../../../common/contract/shapes.ts';
import { type ProbeServer, startProbeServer, withoutIpv6 } from '../../../common/probe-server.ts';

describe('the probe server', () => {
  let server: ProbeServer;
  let ready: true | string = true;

  before(async () => {
    server = await startProbeServer(everyAddress(0), {
      healthy: () => true,
      ready: () => ready,
      status: () => ({ fine: true }),
      metrics: () => Promise.reject(new Error('broken')),
    });
  });

  after(() => server.close());

  const get = (path: string, method = 'GET'): Promise<Response> =>
    fetch(`http://127.0.0.1:${server.port}${path}`, { method });

  it('answers whether the process is healthy and ready, and with its status', async () => {
    assert.equal((await get('/healthz')).status, 200);
    assert.deepEqual(await (await get('/status')).json(), { fine: true });
    ready = 'Kafka is away';
    const answer = await get('/readyz?verbose');
    assert.deepEqual([answer.status, await answer.text()], [503, 'Kafka is away\n']);
    ready = true;
    assert.equal((await get('/readyz', 'HEAD')).status, 200);
  });

  it('answers at the addresses of IPv4 and of IPv6', async () => {
    for (const host of ['127.0.0.1', '[::1]']) {
      assert.equal((await fetch(`http://${host}:${server.port}/healthz`)).status, 200, host);
    }
  });

  it('listens at every address of IPv4 where there is no IPv6, unless something else is wrong', () => {
    const error = (code: string): Error => Object.assign(new Error(code), { code });
    // A kernel without IPv6, and one where it is turned off for the address.
    for (const code of ['EAFNOSUPPORT', 'EADDRNOTAVAIL']) {
      assert.equal(withoutIpv6('::', error(code)), '0.0.0.0');
      assert.equal(withoutIpv6('::1', error(code)), undefined, 'somebody asked for this address');
    }
    assert.equal(withoutIpv6('::', error('EADDRINUSE')), undefined);
  });

  it('goes on after a request for an unknown path, with another method, or whose answer fails', async () => {
    assert.equal((await get('/etc/passwd')).status, 404);
    assert.equal((await get('/status', 'POST')).status, 405);
    assert.equal((await get('/metrics')).status, 500);
    assert.equal((await get('/healthz')).status, 200);
  });

  it('answers within 3 s while 100 idle connections are held open, from one address and from many', async function () {
    this.timeout(20_000);
    for (const addressOf of [() => '127.0.0.1', (nth: number) => `127.0.1.${nth % 10}`]) {
      const idle = Array.from({ length: 100 }, (_, nth) =>
        connect({ port: server.port, host: '127.0.0.1', localAddress: addressOf(nth) }).on('error', () => undefined),
      );
      await Promise.all(idle.map((socket) => once(socket, 'connect')));
      // With a connection of its own, as the kubelet's: `fetch` would use an old one again.
      const request = getHttp(`http://127.0.0.1:${server.port}/healthz`, {
        agent: false,
        signal: AbortSignal.timeout(3_000),
      });
      const [answer] = (await once(request, 'response')) as [IncomingMessage];
      assert.equal(answer.resume().statusCode, 200);
      for (const socket of idle) socket.destroy();
    }
  });

  it('ends a connection that stays idle, also after a request', async function () {
    this.timeout(20_000);
    for (const request of ['', 'GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n']) {
      const socket = connect(server.port, '127.0.0.1').on('error', () => undefined);
      const began = performance.now();
      socket.resume().write(request);
      await once(socket, 'close');
      assert.ok(performance.now() - began < 10_000);
    }
  });

  it('cuts off a client that does not speak HTTP', async () => {
    const socket = connect(server.port, '127.0.0.1');
    socket.end('\0\0\0nonsense\r\n\r\n');
    const answer = await new Response(socket as never).text();
    assert.match(answer, /^HTTP\/1.1 400/);
    assert.equal((await get('/healthz')).status, 200);
  });
});

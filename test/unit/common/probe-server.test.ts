import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { type ProbeServer, startProbeServer } from '../../../common/probe-server.ts';

describe('the probe server', () => {
  let server: ProbeServer;
  let ready: true | string = true;

  before(async () => {
    server = await startProbeServer('127.0.0.1:0', {
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

  it('goes on after a request for an unknown path, with another method, or whose answer fails', async () => {
    assert.equal((await get('/etc/passwd')).status, 404);
    assert.equal((await get('/status', 'POST')).status, 405);
    assert.equal((await get('/metrics')).status, 500);
    assert.equal((await get('/healthz')).status, 200);
  });

  it('cuts off a client that does not speak HTTP', async () => {
    const socket = connect(server.port, '127.0.0.1');
    socket.end('\0\0\0nonsense\r\n\r\n');
    const answer = await new Response(socket as never).text();
    assert.match(answer, /^HTTP\/1.1 400/);
    assert.equal((await get('/healthz')).status, 200);
  });
});

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import fc from 'fast-check';
import { delay, sleep } from '../../../common/backoff.ts';
import { ownersPartition, syncName } from '../../../common/contract/names.ts';
import { messageOf, TransientError } from '../../../common/errors.ts';
import { type ProbeServer, startProbeServer } from '../../../common/probe-server.ts';
import { createMetrics } from '../../../sidecar/session/metrics.ts';

describe('the name of a node on servers', () => {
  it('is its id where that is harmless, and never anything that means more', () => {
    assert.equal(syncName('hospital-a'), 'lfh-sync-hospital-a');
    fc.assert(fc.property(fc.string(), (id) => assert.match(syncName(id), /^lfh-sync-[A-Za-z0-9_-]{1,52}$/)));
  });

  it('is different for different ids, dots and hashes included', () => {
    const ids = ['a', 'a.b', 'a-b', 'a_b', 'a*b', '>', 'A', 'x'.repeat(48), 'x'.repeat(49), syncName('a.b').slice(9)];
    assert.equal(new Set(ids.map(syncName)).size, ids.length);
    fc.assert(
      fc.property(fc.string(), fc.string(), (one, other) => {
        assert.equal(syncName(one) === syncName(other), one === other);
      }),
    );
  });

  it('belongs to one of the partitions that spread the peers', () => {
    fc.assert(
      fc.property(fc.string(), (id) => {
        const partition = ownersPartition(syncName(id));
        assert.ok(partition >= 0 && partition < 64);
      }),
    );
  });
});

describe('the backoff', () => {
  it('grows, is capped at 30 s, and may be anything below', () => {
    assert.ok(delay(1, 1) < delay(2, 1));
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10_000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (failures, random) => {
          const ms = delay(failures, random);
          assert.ok(ms >= 0 && ms <= 30_000);
        },
      ),
    );
  });

  it('ends early when it is told to', async () => {
    const stop = new AbortController();
    const sleeping = sleep(60_000, stop.signal);
    stop.abort();
    await sleeping;
    await sleep(60_000, stop.signal);
  });
});

describe('the message of an error', () => {
  it('goes through its causes and repeats nothing', () => {
    const root = new Error('connection reset');
    assert.equal(
      messageOf(new TransientError('Unreachable', 'no answer', { cause: root })),
      'no answer: connection reset',
    );
    assert.equal(messageOf(new Error('no answer: connection reset', { cause: root })), 'no answer: connection reset');
    assert.equal(messageOf('text'), 'text');
  });
});

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

  it('tells health, readiness and status', async () => {
    assert.equal((await get('/healthz')).status, 200);
    assert.deepEqual(await (await get('/status')).json(), { fine: true });
    ready = 'Kafka is away';
    const answer = await get('/readyz?verbose');
    assert.deepEqual([answer.status, await answer.text()], [503, 'Kafka is away\n']);
    ready = true;
    assert.equal((await get('/readyz', 'HEAD')).status, 200);
  });

  it('answers what it does not know, or cannot tell, without ending', async () => {
    assert.equal((await get('/etc/passwd')).status, 404);
    assert.equal((await get('/status', 'POST')).status, 405);
    assert.equal((await get('/metrics')).status, 500);
    assert.equal((await get('/healthz')).status, 200);
  });

  it('cuts off what is not HTTP', async () => {
    const socket = connect(server.port, '127.0.0.1');
    socket.end('\0\0\0nonsense\r\n\r\n');
    const answer = await new Response(socket as never).text();
    assert.match(answer, /^HTTP\/1.1 400/);
    assert.equal((await get('/healthz')).status, 200);
  });
});

describe('metrics', () => {
  it('vanish with their peer, and only with theirs', async () => {
    const metrics = createMetrics();
    for (const name of ['a', 'b']) {
      const peer = metrics.forPeer(name);
      peer.replayed(3);
      peer.rejected('NotJson', 1);
      peer.latency(0.2);
      peer.connected(true);
    }
    metrics.removePeer('a');
    const text = await metrics.text();
    assert.ok(!text.includes('peer="a"'), text);
    assert.match(text, /lfh_sync_replayed_total\{peer="b"\} 3/);
    assert.match(text, /lfh_sync_rejected_total\{peer="b",reason="NotJson"\} 1/);
  });
});

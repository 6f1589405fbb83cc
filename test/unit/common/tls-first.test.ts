import assert from 'node:assert/strict';
import { requireServerUrl } from '../../../common/server-url.ts';
import { type Attempt, connectEitherWay } from '../../../common/tls-first.ts';

/** A server as a client meets it: how it takes each of the two ways, and how it was tried. */
class Server {
  readonly tried: ('first' | 'plain')[] = [];
  waits = false;
  isDown = false;
  readonly #url: string;

  constructor(name: string) {
    this.#url = `tls://${name}:4222`;
  }

  async connect(): Promise<void> {
    await connectEitherWay(requireServerUrl(this.#url), async ({ tls, timeoutMs }: Attempt) => {
      assert.ok(timeoutMs >= 1_500, `${timeoutMs} ms`);
      this.tried.push(tls.handshakeFirst ? 'first' : 'plain');
      if (this.isDown) throw Object.assign(new Error('nothing listens'), { code: 'ECONNREFUSED' });
      if (tls.handshakeFirst !== this.waits) throw Object.assign(new Error('it is silent'), { code: 'TIMEOUT' });
    });
  }
}

describe('a server that waits for TLS first', () => {
  it('is found out once, and from then on TLS is what is tried first', async () => {
    const [server, other] = [new Server('a'), new Server('b')];
    server.waits = true;
    for (let time = 0; time < 3; time += 1) await server.connect();
    await other.connect();
    assert.deepEqual([server.tried, other.tried], [['plain', 'first', 'first', 'first'], ['plain']]);
  });

  it('is connected to all the same when it does not wait any more, and that is found out once as well', async () => {
    const server = new Server('c');
    server.waits = true;
    await server.connect();
    server.waits = false;
    for (let time = 0; time < 2; time += 1) await server.connect();
    assert.deepEqual(server.tried, ['plain', 'first', 'first', 'plain', 'plain']);
  });

  it('is remembered while it is down', async () => {
    const server = new Server('d');
    server.waits = true;
    await server.connect();
    server.isDown = true;
    await assert.rejects(server.connect(), /nothing listens/);
    server.isDown = false;
    server.tried.length = 0;
    await server.connect();
    assert.deepEqual(server.tried, ['first']);
  });
});

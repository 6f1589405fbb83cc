import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';
import { type LoadedFhirServer, RETRY_DEFAULTS } from '../../../common/contract/fhir-servers.ts';
import { createLogger } from '../../../common/log.ts';
import { FhirClient } from '../../../sidecar/fhir/client.ts';
import { KnownCapabilities } from '../../../sidecar/fhir/known-capabilities.ts';
import type { Answer } from '../../../sidecar/transmit/answer.ts';
import { type CertificateAuthority, createCertificateAuthority } from '../../kit/servers/certificates.ts';
import { FhirServer, type FhirServerOptions } from '../../kit/servers/fhir-server.ts';

const BODY = Buffer.from('{"resourceType":"Patient"}');

describe('a request to a FHIR server', () => {
  let ca: CertificateAuthority;
  let server: FhirServer;

  before(async () => {
    ca = await createCertificateAuthority('ours');
    server = await FhirServer.start({ certificate: await ca.issue() });
  });

  after(() => server.stop());

  async function send(change: Partial<LoadedFhirServer> = {}): Promise<Answer> {
    const settings = {
      url: server.url,
      ca: ca.ca,
      appendResourceType: true,
      timeoutSeconds: 10,
      retry: RETRY_DEFAULTS,
    };
    const client = new FhirClient({ ...settings, ...change });
    try {
      return await post(client, change.url ?? server.url);
    } finally {
      client.close();
    }
  }

  function post(client: FhirClient, url: string): Promise<Answer> {
    const request = { method: 'POST' as const, url: `${url}/Patient`, headers: {}, body: BODY };
    return client.send(request, new AbortController().signal);
  }

  async function failure(change: Partial<LoadedFhirServer> = {}): Promise<string> {
    const answer = await send(change);
    assert.ok(answer.kind === 'failed', JSON.stringify(answer));
    return `${answer.reason}: ${answer.detail}`;
  }

  it('is answered over TLS that the CA of the server vouches for', async () => {
    const answer = await send();
    assert.ok(answer.kind === 'answered');
    assert.equal(answer.status, 201);
  });

  it('is not sent to a server that another CA vouches for', async () => {
    const { ca: other } = await createCertificateAuthority('others');
    const before = server.requests.length;
    assert.match(await failure({ ca: other, authorization: 'Bearer secret' }), /^NotTrusted: .*not signed/);
    assert.equal(server.requests.length, before);
  });

  it('is not sent to a server with a certificate for another name', async () => {
    const elsewhere = await FhirServer.start({
      certificate: await ca.issue({ names: [{ type: 'dns', value: 'elsewhere.example.org' }] }),
    });
    assert.match(await failure({ url: elsewhere.url }), /^HostNameMismatch/);
    assert.equal(elsewhere.requests.length, 0);
    await elsewhere.stop();
  });

  it('follows no redirect, which would take our credentials along', async () => {
    const other = await FhirServer.start();
    server.next.push({ status: 307, headers: { location: `${other.url}/Patient` } });
    const answer = await send({ authorization: 'Bearer secret' });
    assert.ok(answer.kind === 'answered');
    assert.equal(answer.status, 307);
    assert.equal(other.requests.length, 0);
    await other.stop();
  });

  it('has no answer when the server hangs, or closes the connection in the middle of the head', async () => {
    server.next.push('hang', 'cut-head');
    assert.match(await failure({ timeoutSeconds: 1 }), /^Unreachable: it has not answered within 1 s/);
    assert.match(await failure(), /^Unreachable: it closed the connection/);
  });

  it('has its answer when the connection breaks off after the head', async () => {
    server.next.push('cut-body');
    const answer = await send();
    assert.ok(answer.kind === 'answered');
    assert.equal(answer.status, 201);
  });

  it('reads no more of an answer than an OperationOutcome needs', async () => {
    server.next.push({ status: 400, body: { text: 'x'.repeat(1_000_000) } });
    const answer = await send();
    assert.ok(answer.kind === 'answered');
    assert.equal(answer.status, 400);
    assert.ok(answer.body.length <= 64 * 1024);
  });

  it('is sent once more when it met a connection that the server had just closed', async () => {
    const sockets: Socket[] = [];
    let requests = 0;
    const lazy = await listen((socket) => {
      sockets.push(socket);
      socket.on('data', () => {
        requests += 1;
        // The second request of the first connection meets its end.
        if (requests === 2) socket.destroy();
        else socket.write('HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n');
      });
    });
    const url = `http://127.0.0.1:${(lazy.address() as AddressInfo).port}`;
    const client = new FhirClient({ url, appendResourceType: true, timeoutSeconds: 5, retry: RETRY_DEFAULTS });
    for (let n = 0; n < 2; n += 1) assert.equal((await post(client, url)).kind, 'answered');
    assert.equal(sockets.length, 2);
    client.close();
    lazy.close();
  });

  it('is answered by a server that changes to another protocol, which nobody asked for', async () => {
    const other = await listen((socket) => {
      socket.on('error', () => undefined);
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    });
    const answer = await send({ url: `http://127.0.0.1:${(other.address() as AddressInfo).port}` });
    other.close();
    assert.ok(answer.kind === 'answered');
    assert.equal(answer.status, 101);
  });

  it('has no answer where nobody speaks HTTP, and quotes nothing of what was said', async () => {
    const rude = await listen((socket) => {
      socket.on('error', () => undefined);
      socket.end('220 Jane-Doe ready\r\n');
    });
    const { port } = rude.address() as AddressInfo;
    const message = await failure({ url: `http://127.0.0.1:${port}` });
    assert.match(message, /^Unreachable: what it answers is not HTTP/);
    assert.doesNotMatch(message, /Jane/);
    rude.close();
    assert.match(
      await failure({ url: 'http://127.0.0.1:1' }),
      /^Unreachable: it refuses the connection \(ECONNREFUSED\)/,
    );
    assert.match(await failure({ url: 'http://no-such-host.invalid' }), /^Unreachable: its name/);
  });
});

describe('the CapabilityStatement of a FHIR server', () => {
  type Asked = Awaited<ReturnType<KnownCapabilities['get']>>;

  async function asked(options: FhirServerOptions): Promise<{ answer: Asked; warnings: string[] }> {
    const warnings: string[] = [];
    const write = (line: string): void => void warnings.push((JSON.parse(line) as { msg: string }).msg);
    const server = await FhirServer.start(options);
    const { url } = server;
    const client = new FhirClient({ url, appendResourceType: true, timeoutSeconds: 30, retry: RETRY_DEFAULTS });
    try {
      const log = createLogger({ name: 'test', level: 'warn' }, { write });
      return { answer: await new KnownCapabilities(client, log).get(new AbortController().signal), warnings };
    } finally {
      client.close();
      await server.stop();
    }
  }

  async function ask(capabilityBytes: number): Promise<{ isConditional: boolean; warnings: string[] }> {
    const { answer, warnings } = await asked({ conditionalCreate: true, capabilityBytes });
    assert.ok('conditionalCreate' in answer);
    return { isConditional: answer.conditionalCreate('Patient'), warnings };
  }

  it('is a fault of the server where it cannot be had, and of no resource, since none was sent', async () => {
    const { answer } = await asked({ capabilityStatus: 500 });
    assert.ok('kind' in answer);
    assert.deepEqual([answer.scope, answer.status], ['server', 500]);
  });

  it('is read where it is as large as servers have it', async () => {
    assert.deepEqual(await ask(2_000_000), { isConditional: true, warnings: [] });
  });

  it('is not read where it is larger than that, which is said with what to do', async () => {
    const { isConditional, warnings } = await ask(4 * 1024 * 1024);
    assert.equal(isConditional, false);
    assert.match(warnings.join(), /more than 4 MiB.* no resource is created conditionally.* Let the server answer/);
  });
});

async function listen(onConnection: (socket: Socket) => void): Promise<Server> {
  const server = createServer(onConnection);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';
import { createUser } from 'nkeys.js';
import { pino } from 'pino';
import type { Reason } from '../../../common/contract/reasons.ts';
import { InvalidInputError, TransientError } from '../../../common/errors.ts';
import { connectLocal } from '../../../sidecar/nats/connect-local.ts';
import { connectPeer } from '../../../sidecar/nats/connect-peer.ts';
import type { Closable, Connected, NatsOptions } from '../../../sidecar/nats/connection.ts';
import { freePort } from '../../kit/processes/process.ts';
import {
  type CertificateAuthority,
  type CertificateOptions,
  createCertificateAuthority,
} from '../../kit/servers/certificates.ts';
import { NatsServer } from '../../kit/servers/nats-server.ts';

type Connect = (options: NatsOptions) => Promise<Connected<Closable>>;

/** A peer's server is never connected to in the clear, and there our own client connects. */
function clientsFor({ allowPlaintext }: NatsOptions): Connect[] {
  return allowPlaintext ? [connectLocal] : [connectLocal, connectPeer];
}

describe("the sidecar's connection to a NATS server", () => {
  const key = createUser();
  let directory: string;
  let ca: CertificateAuthority;
  const servers: NatsServer[] = [];
  const impostors: Server[] = [];

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lfh-sync-nats-connection-'));
    ca = await createCertificateAuthority('hospital-a');
  });

  after(async () => {
    for (const impostor of impostors) impostor.close();
    await Promise.all(servers.map((server) => server.stop()));
    await rm(directory, { recursive: true, force: true });
  });

  async function serve(certificate?: CertificateOptions | 'plaintext', extra = ''): Promise<NatsServer> {
    const server = await NatsServer.start({
      directory: join(directory, `nats-${servers.length}`),
      name: `nats-${servers.length}`,
      ...(certificate === 'plaintext' ? {} : { certificate: await ca.issue(certificate) }),
      accounts: `A { users: [ { nkey: ${key.getPublicKey()} } ] }`,
      extra,
    });
    servers.push(server);
    return server;
  }

  function options(server: string, over: Partial<NatsOptions> = {}): NatsOptions {
    return {
      server,
      seed: key.getSeed(),
      ca: ca.ca,
      inboxPrefix: '_INBOX.test',
      name: 'lfh-sync test',
      owner: 'hospital-a',
      log: pino({ level: 'silent' }),
      ...over,
    };
  }

  async function accepts(given: NatsOptions): Promise<void> {
    for (const connect of clientsFor(given)) {
      const { connection } = await connect(given);
      await connection.close();
    }
  }

  async function refuses(given: NatsOptions, reason: Reason, ...says: RegExp[]): Promise<TransientError[]> {
    return Promise.all(clientsFor(given).map((connect) => refusesOf(connect, given, reason, says)));
  }

  async function refusesOf(
    connect: Connect,
    given: NatsOptions,
    reason: Reason,
    says: readonly RegExp[],
  ): Promise<TransientError> {
    const error = await connect(given).then(
      async ({ connection }) => {
        await connection.close();
        return assert.fail('it connected');
      },
      (failure: unknown) => failure,
    );
    assert.ok(error instanceof TransientError, String(error));
    assert.equal(error.reason, reason, error.message);
    for (const pattern of says) assert.match(error.message, pattern);
    return error;
  }

  it('accepts a certificate of the given CA for the address or the name in the URL', async () => {
    const server = await serve();
    await accepts(options(server.url));
    await accepts(options(`tls://localhost:${server.port}`));
  });

  it('accepts an address only where the certificate names it', async () => {
    const server = await serve({ names: [{ type: 'ip', value: '127.0.0.1' }] });
    await accepts(options(server.url));
    await refuses(options(`tls://localhost:${server.port}`), 'HostNameMismatch', /127\.0\.0\.1/, /not for localhost/);
  });

  it('refuses a certificate for localhost where the URL has an address', async () => {
    const server = await serve({ names: [{ type: 'dns', value: 'localhost' }] });
    await refuses(
      options(server.url),
      'HostNameMismatch',
      /DNS:localhost/,
      /not for 127\.0\.0\.1/,
      /hospital-a/,
      /tlsServerName/,
    );
    await accepts(options(`tls://localhost:${server.port}`));
  });

  it('compares the certificate with tlsServerName where that is given, and with nothing else', async () => {
    const server = await serve({ names: [{ type: 'dns', value: 'nats.hospital-a.example' }] });
    await refuses(options(server.url), 'HostNameMismatch');
    await accepts(options(server.url, { tlsServerName: 'nats.hospital-a.example' }));
    await refuses(
      options(server.url, { tlsServerName: 'nats.hospital-b.example' }),
      'HostNameMismatch',
      /hospital-b\.example/,
    );
  });

  it('names a certificate that is not of the CA, and its issuer', async () => {
    const server = await serve();
    const other = await createCertificateAuthority('hospital-c');
    await refuses(
      options(server.url, { ca: other.ca }),
      'NotTrusted',
      /CN=nats/,
      /CN=hospital-a/,
      /administrator of hospital-a/,
    );
    await refuses(options(server.url, { ca: undefined }), 'NotTrusted');
  });

  it('reports when a certificate has expired', async () => {
    const began = inDays(-1);
    const server = await serve({ notBefore: -3, notAfter: -1 });
    const yesterday = `(${began}|${inDays(-1)})`;
    await refuses(
      options(server.url),
      'CertificateExpired',
      new RegExp(`CN=nats.*expired on ${yesterday}`),
      /hospital-a/,
    );
  });

  it('reports from when a certificate is valid', async () => {
    const began = inDays(1);
    const server = await serve({ notBefore: 1, notAfter: 3 });
    const tomorrow = `(${began}|${inDays(1)})`;
    await refuses(options(server.url), 'CertificateNotYetValid', new RegExp(`valid from ${tomorrow}`), /clocks/);
  });

  it('is never in the clear unless that is allowed', async () => {
    const server = await serve('plaintext');
    await refuses(options(`tls://127.0.0.1:${server.port}`), 'TlsRequired', /does not speak TLS/, /hospital-a/);
    await refuses(options(server.url), 'TlsRequired', /write tls:\/\//);
    await accepts(options(server.url, { allowPlaintext: true, ca: undefined }));
  });

  it('reports that a server demands TLS where it was configured without', async () => {
    const server = await serve();
    await refuses(
      options(`nats://127.0.0.1:${server.port}`, { allowPlaintext: true }),
      'TlsRequired',
      /write tls:\/\//,
    );
  });

  it('refuses TLS 1.1', async () => {
    const port = await freePort();
    const { cert, key: privateKey } = await ca.issue();
    const old = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.write(
        'INFO {"server_id":"x","version":"2.15.2","tls_required":true,"max_payload":1024,"headers":true}\r\n',
      );
      const secured = new TLSSocket(socket, {
        isServer: true,
        cert,
        key: privateKey,
        maxVersion: 'TLSv1.1',
        minVersion: 'TLSv1',
        ciphers: 'DEFAULT@SECLEVEL=0',
      });
      secured.on('error', () => undefined);
    });
    await listen(old, port);
    impostors.push(old);
    await refuses(options(`tls://127.0.0.1:${port}`), 'TlsRequired', /TLS 1\.2/);
  });

  it('shows our public key when it is refused, and never the seed', async () => {
    const server = await serve();
    const stranger = createUser();
    const seed = new TextDecoder().decode(stranger.getSeed());
    const errors = await refuses(
      options(server.url, { seed: stranger.getSeed() }),
      'KeyRefused',
      new RegExp(stranger.getPublicKey()),
      /administrator of hospital-a/,
    );
    for (const error of errors) assert.ok(!`${error.message}${error.stack}${String(error.cause)}`.includes(seed));
  });

  it('reports that nothing listens, or that DNS does not know the name', async () => {
    const port = await freePort();
    await refuses(
      options(`tls://127.0.0.1:${port}`),
      'Unreachable',
      new RegExp(`127.0.0.1:${port}`),
      /nothing listens/,
    );
    await refuses(options('tls://no-such-host.invalid:4222'), 'Unreachable', /DNS/);
  });

  it('is given up when the server accepts it and stays silent', async () => {
    const port = await freePort();
    const sockets: Socket[] = [];
    const silent = createServer((socket) => sockets.push(socket.on('error', () => undefined)));
    await listen(silent, port);
    impostors.push(silent);
    await refuses(options(`tls://127.0.0.1:${port}`), 'Unreachable', /does not answer as a NATS server does/);
    for (const socket of sockets) socket.destroy();
  });

  it('is refused before it begins for an impossible server, CA or seed', async () => {
    const bad: readonly Partial<NatsOptions>[] = [
      { server: 'http://127.0.0.1:4222' },
      { server: '127.0.0.1' },
      { server: 'tls://somebody:secret@127.0.0.1:4222' },
      { ca: '' },
      { ca: '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n' },
      { seed: new TextEncoder().encode('SUAHELLO') },
      { seed: new Uint8Array() },
    ];
    for (const over of bad) {
      const given = options('tls://127.0.0.1:1', over);
      for (const connect of clientsFor(given)) {
        await assert.rejects(connect(given), (error: unknown) => {
          assert.ok(error instanceof InvalidInputError, String(error));
          assert.ok(!/secret|SUAHELLO|MIIB/.test(error.message));
          return true;
        });
      }
    }
  });
});

/** A date, as certificates have it. A test may begin before midnight and end after it. */
function inDays(days: number): string {
  return new Date(Date.now() + days * 24 * 60 * 60 * 1000).toISOString().slice(0, 10);
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
}

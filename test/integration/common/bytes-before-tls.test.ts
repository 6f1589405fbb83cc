import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TransientError } from '../../../common/errors.ts';
import { makeKey } from '../../../operator/nats/keys.ts';
import { NATS_CLIENTS } from '../../kit/processes/nats-clients.ts';
import { type CertificateAuthority, createCertificateAuthority } from '../../kit/servers/certificates.ts';
import { NatsServer } from '../../kit/servers/nats-server.ts';

/** What somebody on the path may add to the server's first line, which is the only one in the clear. */
const FORGERIES: Readonly<Record<string, string>> = {
  'an answer to our first ping, which would count as being let in': 'PONG\r\n',
  'a refusal of our key': "-ERR 'Authorization Violation'\r\n",
  'a message whose payload is to be taken from the TLS session': 'PONG\r\nMSG x 10 EVENTS.sync 4\r\n',
  'half a line': 'PO',
};

describe('bytes that somebody on the path adds before the TLS handshake', function () {
  this.timeout(60_000);
  const key = makeKey();
  let directory: string;
  let ca: CertificateAuthority;
  let nats: NatsServer;

  before('start a nats-server with TLS that lets our key in', async () => {
    directory = await mkdtemp(join(tmpdir(), 'lfh-sync-before-tls-'));
    ca = await createCertificateAuthority('hospital-a');
    const { cert, key: privateKey } = await ca.issue();
    const [certFile, keyFile] = [join(directory, 'server.pem'), join(directory, 'server.key')];
    await Promise.all([writeFile(certFile, cert), writeFile(keyFile, privateKey)]);
    const accounts = `A { users: [ { nkey: ${key.publicKey} } ] }`;
    const extra = `tls { cert_file: ${JSON.stringify(certFile)}, key_file: ${JSON.stringify(keyFile)} }`;
    nats = await NatsServer.start({ directory: join(directory, 'nats'), name: 'nats', accounts, extra });
  });

  after(async () => {
    await nats.stop();
    await rm(directory, { recursive: true, force: true });
  });

  /** Passes everything on between a client and the server, and adds `forged` to the first thing that the server says. */
  async function withRelay(forged: string, use: (url: string) => Promise<unknown>): Promise<void> {
    const sockets: Socket[] = [];
    const relay: Server = createServer((client) => {
      const server = connectTcp(Number(nats.host.split(':').at(-1)), '127.0.0.1');
      sockets.push(client, server);
      server.once('data', (info) => {
        client.write(Buffer.concat([info, Buffer.from(forged)]));
        server.pipe(client);
      });
      client.pipe(server);
      for (const socket of [client, server]) socket.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
    try {
      await use(`tls://127.0.0.1:${(relay.address() as { port: number }).port}`);
    } finally {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => relay.close(resolve));
    }
  }

  for (const [program, connect] of Object.entries(NATS_CLIENTS)) {
    it(`lets the ${program} sign in through a relay that adds nothing`, () =>
      withRelay('', (url) => connect(url, key, { ca: ca.ca })));

    for (const [what, forged] of Object.entries(FORGERIES)) {
      it(`ends the ${program}'s attempt and says so: ${what}`, () =>
        withRelay(forged, async (url) => {
          await assert.rejects(connect(url, key, { ca: ca.ca }), (error: unknown) => {
            assert.ok(error instanceof TransientError);
            assert.equal(error.reason, 'Unreachable');
            assert.match(error.message, /before the TLS handshake/);
            return true;
          });
        }));
    }
  }
});

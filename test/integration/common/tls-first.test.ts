import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TransientError } from '../../../common/errors.ts';
import { makeKey } from '../../../operator/nats/keys.ts';
import { NATS_CLIENTS } from '../../kit/processes/nats-clients.ts';
import { type CertificateAuthority, createCertificateAuthority } from '../../kit/servers/certificates.ts';
import { NatsServer, type NatsVersion } from '../../kit/servers/nats-server.ts';
import { SniProxy } from '../../kit/servers/sni-proxy.ts';

describe('a nats-server that waits for TLS first', function () {
  this.timeout(60_000);
  const key = makeKey();
  let directory: string;
  let ca: CertificateAuthority;
  const servers = new Map<string, NatsServer>();

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lfh-sync-tls-first-'));
    ca = await createCertificateAuthority('hospital-a');
    await serve('always', 'handshake_first: true');
    await serve('for-a-while', 'handshake_first: "300ms"');
    await serve('never', '', 'beforeReset');
  });

  after(async () => {
    await Promise.all([...servers.values()].map((server) => server.stop()));
    await rm(directory, { recursive: true, force: true });
  });

  async function serve(name: string, setting: string, version: NatsVersion = 'current'): Promise<void> {
    const { cert, key: privateKey } = await ca.issue();
    const [certFile, keyFile] = [join(directory, `${name}.pem`), join(directory, `${name}.key`)];
    await Promise.all([writeFile(certFile, cert), writeFile(keyFile, privateKey)]);
    const accounts = `A { users: [ { nkey: ${key.publicKey} } ] }`;
    const files = `cert_file: ${JSON.stringify(certFile)}, key_file: ${JSON.stringify(keyFile)}`;
    const extra = `tls { ${files}${setting && `, ${setting}`} }`;
    servers.set(name, await NatsServer.start({ directory: join(directory, name), name, accounts, version, extra }));
  }

  function urlOf(name: string): string {
    return `tls://${servers.get(name)?.host}`;
  }

  for (const [program, connect] of Object.entries(NATS_CLIENTS)) {
    it(`is connected to by the ${program}, whether it waits for ever or for a while`, async () => {
      assert.equal(await connect(urlOf('always'), key, { ca: ca.ca }), '2.15.2');
      assert.equal(await connect(urlOf('for-a-while'), key, { ca: ca.ca }), '2.15.2');
    });

    it(`is verified by the ${program} as any other is, and refuses a key as any other does`, async () => {
      const other = await createCertificateAuthority('hospital-c');
      await assert.rejects(connect(urlOf('always'), key, { ca: other.ca }), (error: unknown) => {
        assert.ok(error instanceof TransientError, String(error));
        assert.equal(error.reason, 'NotTrusted');
        assert.match(error.message, /issued by "CN=hospital-a"/);
        return true;
      });
      await assert.rejects(connect(urlOf('always'), makeKey(), { ca: ca.ca }), (error: unknown) => {
        assert.ok(error instanceof TransientError, String(error));
        assert.equal(error.reason, 'KeyRefused');
        return true;
      });
    });

    it(`is reached by the ${program} through a proxy that routes by the name in TLS, as an ingress does`, async () => {
      const port = Number(new URL(urlOf('for-a-while')).port);
      const proxy = await SniProxy.start('localhost', port);
      try {
        assert.equal(await connect(`tls://localhost:${proxy.port}`, key, { ca: ca.ca }), '2.15.2');
      } finally {
        await proxy.stop();
      }
    });

    it(`is no concern of the ${program} at one of version 2.12 that does not wait`, async () => {
      assert.equal(await connect(urlOf('never'), key, { ca: ca.ca }), '2.12.15');
    });
  }
});

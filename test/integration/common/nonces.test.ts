import assert from 'node:assert/strict';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { makeKey } from '../../../operator/nats/keys.ts';
import { type Connect, NATS_CLIENTS } from '../../kit/processes/nats-clients.ts';
import { createCertificateAuthority, type ServerCertificate } from '../../kit/servers/certificates.ts';

const key = makeKey();

/** Texts that a server may call a nonce, to have our key sign them. */
const DOCUMENTS: readonly string[] = [
  '{"from":"hospital-a"}',
  'a line\nof text',
  'x'.repeat(65),
  'short',
  'lfhsync1.e30.AA',
];

describe('what a server asks a user key to sign', () => {
  let ca: string;
  let certificate: ServerCertificate;

  before(async () => {
    const authority = await createCertificateAuthority('hospital-a');
    ca = authority.ca;
    certificate = await authority.issue();
  });

  /** What a program sends as its CONNECT to a server that asks for a signature of `nonce`, and then refuses it. */
  async function connectTo(nonce: string, connect: Connect): Promise<{ sig?: string }> {
    const sent = Promise.withResolvers<{ sig?: string }>();
    const sockets: Socket[] = [];
    const info = { server_id: 'x', version: '2.15.2', auth_required: true, headers: true, max_payload: 1024, nonce };
    const server = createServer((raw) => {
      sockets.push(raw.on('error', () => undefined));
      raw.write(`INFO ${JSON.stringify({ ...info, tls_required: true })}\r\n`);
      const socket = new TLSSocket(raw, { isServer: true, cert: certificate.cert, key: certificate.key });
      socket.on('error', () => undefined);
      socket.on('data', (chunk: Buffer) => {
        const [, json] = /^CONNECT (\{.*\})\r\n/.exec(chunk.toString('utf8')) ?? [];
        if (json === undefined) return;
        sent.resolve(JSON.parse(json) as { sig?: string });
        socket.end("-ERR 'Authorization Violation'\r\n");
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = server.address() as AddressInfo;
      await assert.rejects(connect(`tls://127.0.0.1:${port}`, key, { ca }));
      return await sent.promise;
    } finally {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  for (const [program, connect] of Object.entries(NATS_CLIENTS)) {
    it(`is signed by the ${program} where it is a nonce such as nats-server makes`, async () => {
      assert.match((await connectTo('xqhcmVUBCzRvCFw', connect)).sig ?? '', /^[\w+/]{80,}=*$/);
    });

    for (const nonce of DOCUMENTS) {
      it(`is not signed by the ${program} where it is another text: ${JSON.stringify(nonce).slice(0, 30)}`, async () => {
        assert.equal((await connectTo(nonce, connect)).sig ?? '', '');
      });
    }
  }
});

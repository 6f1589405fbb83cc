import assert from 'node:assert/strict';
import { createServer, type Socket, type Server as TcpServer } from 'node:net';
import { createServer as createTlsServer, type Server, type TlsOptions } from 'node:tls';
import { pino } from 'pino';
import { messageOf, TransientError } from '../../../common/errors.ts';
import { createClient } from '../../../sidecar/kafka/client.ts';
import { translate } from '../../../sidecar/kafka/errors.ts';
import {
  type CertificateAuthority,
  createCertificateAuthority,
  createSelfSigned,
  type ServerCertificate,
} from '../../kit/servers/certificates.ts';

/** What the sidecar says of a broker's TLS. The handshake fails before Kafka's protocol begins, so any server with TLS will do. */

describe("what the sidecar says of a broker's TLS", () => {
  let ca: CertificateAuthority;
  let intermediate: CertificateAuthority;
  const servers: (Server | TcpServer)[] = [];

  before(async () => {
    ca = await createCertificateAuthority('root of hospital-a');
    intermediate = await ca.issueAuthority('issuing CA of hospital-a');
  });

  after(() => {
    for (const server of servers) server.close();
  });

  async function listen(server: Server | TcpServer): Promise<string> {
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    return `127.0.0.1:${port}`;
  }

  function serve(certificate: ServerCertificate, options: TlsOptions = {}): Promise<string> {
    return listen(
      createTlsServer({ ...certificate, ...options }, (socket) => {
        socket.on('error', () => undefined);
        // Kafka is not spoken here, and that the handshake succeeded is all that can be seen.
        socket.once('data', () => socket.destroy());
      }),
    );
  }

  async function failure(broker: string, trusted: string | undefined): Promise<TransientError> {
    const log = pino({ level: 'silent' });
    const connection = { brokers: [broker], clientId: 'test', tls: { ca: trusted }, log };
    const admin = createClient(connection, { retries: 0 }).admin();
    const error = await admin.connect().then(
      () => assert.fail('it connected'),
      (thrown: unknown) => translate(thrown, 'join the group'),
    );
    await admin.disconnect();
    assert.ok(error instanceof TransientError, String(error));
    return error;
  }

  interface Row {
    readonly broker: string;
    readonly at: () => Promise<string>;
    readonly ca?: () => string | undefined;
    readonly says: RegExp;
  }

  const ROWS: readonly Row[] = [
    {
      broker: 'whose certificate has expired',
      at: async () => serve(await ca.issue({ notBefore: -3, notAfter: -1 })),
      says: /its certificate, or that of its CA, has expired \(CERT_HAS_EXPIRED\): renew it/,
    },
    {
      broker: 'whose certificate is of another CA',
      at: async () => serve(await ca.issue()),
      ca: () => intermediate.ca,
      says: /not signed by a CA that is trusted .*spec\.kafka\.ca \(LFH_SYNC_KAFKA_CA_FILE\) must hold the CA that issued it/,
    },
    {
      broker: 'whose certificate is of no CA that everybody knows, where no CA is given',
      at: async () => serve(await ca.issue()),
      ca: () => undefined,
      says: /not signed by a CA that is trusted .*LFH_SYNC_KAFKA_CA_FILE/,
    },
    {
      broker: 'whose certificate is for another name',
      at: async () => serve(await ca.issue({ names: [{ type: 'dns', value: 'kafka.example.org' }] })),
      says: /for another name .*advertised\.listeners/,
    },
    {
      broker: 'that demands a client certificate',
      at: async () => serve(await ca.issue(), { requestCert: true, ca: ca.ca }),
      says: /demands a client certificate .*ssl\.client\.auth=none/,
    },
    {
      broker: 'that answers in plain text',
      at: () => listen(createServer((socket) => answer(socket, 'HTTP/1.1 400 Bad Request\r\n\r\n'))),
      says: /what it answers is not TLS .*LFH_SYNC_KAFKA_TLS/,
    },
    {
      broker: 'that hangs up when TLS begins, as one without TLS does',
      at: () => listen(createServer((socket) => answer(socket, ''))),
      says: /hung up in the middle of the TLS handshake: compare spec\.kafka\.tls \(LFH_SYNC_KAFKA_TLS\)/,
    },
  ];
  for (const { broker, at, ca: given, says } of ROWS) {
    it(`is KafkaUnavailable, with what to do, for a broker ${broker}`, async () => {
      const error = await failure(await at(), given ? given() : ca.ca);
      assert.equal(error.reason, 'KafkaUnavailable');
      assert.match(error.message, /^could not join the group: /);
      assert.match(error.message, says);
      assert.doesNotMatch(messageOf(error), /--use-system-ca|deps\/openssl|Connection error/);
    });
  }

  it('is nothing where the CA given is the intermediate one that issued its certificate, or that certificate itself', async () => {
    const selfSigned = await createSelfSigned('kafka');
    const accepted: readonly (readonly [ServerCertificate, string])[] = [
      [await intermediate.issue(), intermediate.ca],
      [selfSigned, selfSigned.cert],
    ];
    for (const [certificate, trusted] of accepted) {
      const error = await failure(await serve(certificate), trusted);
      assert.doesNotMatch(messageOf(error), /TLS with the broker failed|certificate/);
    }
  });
});

/** Waits for the beginning of the handshake, says something, and hangs up. */
function answer(socket: Socket, text: string): void {
  socket.on('error', () => undefined);
  socket.once('data', () => socket.end(text));
}

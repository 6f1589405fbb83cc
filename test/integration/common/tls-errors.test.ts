import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TLSSocket, type TLSSocketOptions } from 'node:tls';
import type { Reason } from '../../../common/contract/reasons.ts';
import { messageOf, TransientError } from '../../../common/errors.ts';
import { makeKey } from '../../../operator/nats/keys.ts';
import { type ClientOptions, type Connect, NATS_CLIENTS } from '../../kit/processes/nats-clients.ts';
import { until } from '../../kit/processes/process.ts';
import {
  type CertificateAuthority,
  createCertificateAuthority,
  createSelfSigned,
  createVersion1Authority,
  type ServerCertificate,
} from '../../kit/servers/certificates.ts';
import { NatsServer } from '../../kit/servers/nats-server.ts';

/** What both programs say of a server: each row of the table in common/tls.ts is provoked on a real one. */

const key = makeKey();
const ACCOUNTS = `A { users: [ { nkey: ${key.publicKey} } ] }`;
const INFO =
  'INFO {"server_id":"x","version":"2.15.2","tls_required":true,"max_payload":1024,"headers":true,"nonce":"x"}\r\n';

type Trust = Pick<ClientOptions, 'ca' | 'tlsServerName'>;

/** As each program connects to a server of hospital-b. */
const clientsOf = (clients: readonly Connect[]) =>
  clients.map(
    (connect) => (server: string, trust: Trust) =>
      connect(server, key, { owner: 'hospital-b', allowPlaintext: true, ...trust }),
  );
const CLIENTS = clientsOf(Object.values(NATS_CLIENTS));
const CLIENTS_IN_THE_CLEAR = clientsOf([NATS_CLIENTS.sidecar, NATS_CLIENTS.operator]);

async function failure(connecting: Promise<unknown>): Promise<TransientError> {
  const error = await connecting.then(
    () => assert.fail('it connected'),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof TransientError, String(error));
  return error;
}

/** No message may send a person to Node's own switches, or show OpenSSL's file names. */
function isFailure(error: TransientError, reason: Reason, says: RegExp): void {
  assert.equal(error.reason, reason, messageOf(error));
  assert.match(error.message, says);
  assert.doesNotMatch(messageOf(error), /--use-system-ca|deps\/openssl|undefined error/);
}

describe("what both programs say of a server's TLS", function () {
  this.timeout(60_000);
  let directory: string;
  let root: CertificateAuthority;
  let intermediate: CertificateAuthority;
  let old: CertificateAuthority;
  let short: CertificateAuthority;
  let unrelated: string;
  let nameless: CertificateAuthority;
  let namesake: string;
  let nats: NatsServer;
  const servers: NatsServer[] = [];
  const impostors: Server[] = [];
  const sockets: Socket[] = [];

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lfh-sync-tls-errors-'));
    root = await createCertificateAuthority('root of hospital-b');
    intermediate = await root.issueAuthority('issuing CA of hospital-b');
    nats = await serve({ certificate: await root.issue() });
  });

  after(async () => {
    for (const impostor of impostors) impostor.close();
    for (const socket of sockets) socket.destroy();
    await Promise.all(servers.map((server) => server.stop()));
    await rm(directory, { recursive: true, force: true });
  });

  async function serve(over: { certificate?: ServerCertificate; extra?: string }): Promise<NatsServer> {
    const name = `nats-${servers.length}`;
    const server = await NatsServer.start({ directory: join(directory, name), name, accounts: ACCOUNTS, ...over });
    servers.push(server);
    return server;
  }

  /** A configuration's `tls` block with a certificate of the root, and with more in it. */
  async function tlsBlock(more: string): Promise<string> {
    const { cert, key: privateKey } = await root.issue();
    const files = { cert_file: cert, key_file: privateKey, ca_file: root.ca };
    const lines = Object.entries(files).map(async ([setting, text]) => {
      const path = join(directory, `${setting}-${servers.length}.pem`);
      await writeFile(path, text);
      return `${setting}: ${JSON.stringify(path)}`;
    });
    return `tls { ${[...(await Promise.all(lines)), more].join(', ')} }`;
  }

  /** A server that is no nats-server. @returns its `host:port` */
  async function impostor(accept: (socket: Socket) => void): Promise<string> {
    const server = createServer((socket) => {
      sockets.push(socket.on('error', () => undefined));
      accept(socket);
    });
    impostors.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    return `127.0.0.1:${port}`;
  }

  /** Answers the first bytes of TLS with an alert, as RFC 8446 numbers them. */
  function alerting(description: number): Promise<string> {
    return impostor((socket) => {
      socket.write(INFO);
      socket.once('data', () => socket.end(Buffer.from([21, 3, 3, 0, 2, 2, description])));
    });
  }

  /** Goes on with TLS behind its INFO, as Node's own server has it. */
  async function securing(options: TLSSocketOptions): Promise<string> {
    const { cert, key: privateKey } = await root.issue();
    return impostor((socket) => {
      socket.write(INFO);
      const secured = new TLSSocket(socket, { isServer: true, cert, key: privateKey, ...options });
      secured.on('error', () => undefined);
    });
  }

  interface CertificateRow {
    readonly server: string;
    readonly certificate: () => Promise<ServerCertificate>;
    /** The root of the server's site by default. */
    readonly trust?: () => Trust;
    readonly reason: Reason;
    readonly says: RegExp;
  }

  async function withChain(issuer: CertificateAuthority, ...above: CertificateAuthority[]): Promise<ServerCertificate> {
    const leaf = await issuer.issue();
    return { ...leaf, cert: [leaf.cert, issuer.ca, ...above.map(({ ca }) => ca)].join('') };
  }

  const REFUSED: readonly CertificateRow[] = [
    {
      server: 'whose certificate has expired',
      certificate: () => root.issue({ notBefore: -3, notAfter: -1 }),
      reason: 'CertificateExpired',
      says: /the certificate of "CN=nats" expired on \d{4}-.* UTC.*renew/,
    },
    {
      server: 'whose CA has expired, though it sends only its own certificate',
      certificate: async () => {
        old = await createCertificateAuthority('old root', { notBefore: -9, notAfter: -1 });
        return old.issue();
      },
      trust: () => ({ ca: old.ca }),
      reason: 'CertificateExpired',
      says: /the certificate of "CN=old root" expired on \d{4}-/,
    },
    {
      server: 'whose certificate is not valid yet',
      certificate: () => root.issue({ notBefore: 1, notAfter: 3 }),
      reason: 'CertificateNotYetValid',
      says: /"CN=nats" is valid from \d{4}-.* and it is \d{4}-.* here.*clocks/i,
    },
    {
      server: 'whose certificate is for another name',
      certificate: () => root.issue({ names: [{ type: 'dns', value: 'nats.example.org' }] }),
      reason: 'HostNameMismatch',
      says: /is for DNS:nats\.example\.org, not for 127\.0\.0\.1/,
    },
    {
      server: 'whose certificate is of another CA',
      certificate: () => root.issue(),
      trust: () => ({ ca: intermediate.ca }),
      reason: 'NotTrusted',
      says: /only its own certificate: .*issued by "CN=root of hospital-b", which is not the CA given, "CN=issuing CA of/,
    },
    {
      server: 'whose certificate is of no CA that everybody knows, where no CA is given',
      certificate: () => root.issue(),
      trust: () => ({ ca: undefined }),
      reason: 'NotTrusted',
      says: /issued by "CN=root of hospital-b", which is not among the CAs that everybody knows/,
    },
    {
      server: 'that does not send its intermediate CA',
      certificate: () => intermediate.issue(),
      reason: 'NotTrusted',
      says: /sends only its own certificate: .*issued by "CN=issuing CA of hospital-b".*intermediate CA is missing/,
    },
    {
      server: 'whose chain leads to a root that is not the one given',
      certificate: () => withChain(intermediate, root),
      trust: () => ({ ca: unrelated }),
      reason: 'NotTrusted',
      says: /leads to "CN=root of hospital-b", which is not the CA given, "CN=unrelated"/,
    },
    {
      server: 'whose certificate is self-signed and not given',
      certificate: () => createSelfSigned('nats.hospital-b'),
      reason: 'NotTrusted',
      says: /"CN=nats\.hospital-b" is self-signed, and is not itself given/,
    },
    {
      server: 'whose CA was made again with the same name',
      certificate: () => root.issue(),
      trust: () => ({ ca: namesake }),
      reason: 'NotTrusted',
      says: /has the name of the one that issued its certificate, but another key/,
    },
    {
      server: 'whose certificate is for clients only',
      certificate: () => root.issue({ usage: 'client' }),
      reason: 'NotTrusted',
      says: /not one for servers/,
    },
    {
      server: 'that has more intermediate CAs than its root allows',
      certificate: async () => withChain(await short.issueAuthority('one too many')),
      trust: () => ({ ca: short.ca }),
      reason: 'NotTrusted',
      says: /more intermediate CAs/,
    },
    {
      server: 'whose key is too weak for OpenSSL, which has no code for that',
      certificate: () => root.issue({ rsaBits: 1024 }),
      reason: 'NotTrusted',
      says: /refused by OpenSSL: EE certificate key too weak/,
    },
    // Certificates without a subject, an issuer or a SAN. Node's types say that they have all three.
    {
      server: 'whose certificate has no subject and has expired',
      certificate: () => root.issue({ subject: '', notBefore: -3, notAfter: -1 }),
      reason: 'CertificateExpired',
      says: /the certificate of "\(no name\)" expired on \d{4}-/,
    },
    {
      server: 'whose certificate has no subject and is not valid yet',
      certificate: () => root.issue({ subject: '', notBefore: 1, notAfter: 3 }),
      reason: 'CertificateNotYetValid',
      says: /"\(no name\)" is valid from \d{4}-/,
    },
    {
      server: 'whose certificate has no subject and is for another name',
      certificate: () => root.issue({ subject: '', names: [{ type: 'dns', value: 'nats.example.org' }] }),
      reason: 'HostNameMismatch',
      says: /the certificate of "\(no name\)"\) is for DNS:nats\.example\.org, not for 127\.0\.0\.1/,
    },
    {
      server: 'whose certificate has no SAN',
      certificate: () => root.issue({ names: [] }),
      reason: 'HostNameMismatch',
      says: /is for no name or address at all, not for 127\.0\.0\.1/,
    },
    {
      server: 'whose certificate has neither a subject nor a SAN',
      certificate: () => root.issue({ subject: '', names: [] }),
      reason: 'HostNameMismatch',
      says: /"\(no name\)"\) is for no name or address at all/,
    },
    {
      server: 'whose certificate has no subject and is of another CA',
      certificate: () => root.issue({ subject: '' }),
      trust: () => ({ ca: unrelated }),
      reason: 'NotTrusted',
      says: /the certificate of "\(no name\)", issued by "CN=root of hospital-b"/,
    },
    {
      server: 'whose certificate has no issuer',
      certificate: () => nameless.issue(),
      reason: 'NotTrusted',
      says: /issued by "\(no name\)", which is not the CA given, "CN=root of/,
    },
    {
      server: 'whose chain leads to a CA without a name',
      certificate: async () => withChain(nameless, nameless),
      reason: 'NotTrusted',
      says: /leads to "\(no name\)", which is not the CA given/,
    },
    {
      server: 'whose certificate is not of the CA given, which has no name',
      certificate: () => root.issue(),
      trust: () => ({ ca: nameless.ca }),
      reason: 'NotTrusted',
      says: /which is not the CA given, "\(no name\)"/,
    },
    {
      server: 'whose certificate has no subject and is self-signed',
      certificate: () => createSelfSigned(''),
      reason: 'NotTrusted',
      says: /"\(no name\)" is self-signed, and is not itself given/,
    },
    {
      server: 'whose certificate has no subject, is expired and is for another name, of a CA without a name',
      certificate: () => nameless.issue({ subject: '', names: [], notBefore: -3, notAfter: -1 }),
      trust: () => ({ ca: nameless.ca }),
      reason: 'CertificateExpired',
      says: /"\(no name\)" expired on/,
    },
  ];

  before(async () => {
    nameless = await createCertificateAuthority('');
    unrelated = (await createCertificateAuthority('unrelated')).ca;
    namesake = (await createCertificateAuthority('root of hospital-b')).ca;
    short = await createCertificateAuthority('short root', { pathLength: 0 });
  });

  for (const { server, certificate, trust, reason, says } of REFUSED) {
    it(`is ${reason} for a server ${server}`, async () => {
      await nats.reload({ certificate: await certificate() });
      for (const connect of CLIENTS) {
        isFailure(await failure(connect(nats.url, trust?.() ?? { ca: root.ca })), reason, says);
      }
    });
  }

  interface AcceptedRow {
    readonly given: string;
    readonly certificate: () => Promise<ServerCertificate>;
    readonly ca: () => string;
  }

  let selfSigned: ServerCertificate;
  let version1: CertificateAuthority;
  const ACCEPTED: readonly AcceptedRow[] = [
    { given: 'its root, and it sends its chain', certificate: () => withChain(intermediate), ca: () => root.ca },
    {
      given: 'the intermediate CA that issued it, and it sends only its own certificate',
      certificate: () => intermediate.issue(),
      ca: () => intermediate.ca,
    },
    {
      given: 'the intermediate CA that issued it, and it sends its chain',
      certificate: () => withChain(intermediate, root),
      ca: () => intermediate.ca,
    },
    {
      given: 'its own self-signed certificate, which says that it is no CA',
      certificate: async () => {
        selfSigned = await createSelfSigned('nats.hospital-b');
        return selfSigned;
      },
      ca: () => selfSigned.cert,
    },
    {
      given: 'a CA of X.509 version 1',
      certificate: async () => {
        version1 = await createVersion1Authority('old CA of hospital-b');
        return version1.issue();
      },
      ca: () => version1.ca,
    },
  ];
  for (const { given, certificate, ca } of ACCEPTED) {
    it(`connects to a server where the CA given is ${given}`, async () => {
      await nats.reload({ certificate: await certificate() });
      for (const connect of CLIENTS) await connect(nats.url, { ca: ca() });
    });
  }

  it("does not trust a server's certificate that a CA issued, where only that certificate is given", async () => {
    const certificate = await root.issue();
    await nats.reload({ certificate });
    for (const connect of CLIENTS) {
      isFailure(await failure(connect(nats.url, { ca: certificate.cert })), 'NotTrusted', /issued by "CN=root of/);
      await connect(nats.url, { ca: certificate.cert + root.ca });
    }
  });

  it('is ClientCertificateRequired for a server that demands one with TLS 1.3', async () => {
    const { host } = await serve({ extra: await tlsBlock('verify: true') });
    for (const connect of CLIENTS) {
      // nats-server resets the connection right behind the alert, so that the alert is lost now and then.
      await until('the alert arrived', async () => {
        const error = await failure(connect(`tls://${host}`, { ca: root.ca }));
        if (error.reason === 'Unreachable') return false;
        isFailure(error, 'ClientCertificateRequired', /demands a client certificate.*has none.*"verify"/);
        return true;
      });
    }
  });

  interface ImpostorRow {
    readonly server: string;
    readonly at: () => Promise<string>;
    readonly scheme?: 'nats' | 'tls';
    readonly reason: Reason;
    readonly says: RegExp;
  }

  const IMPOSTORS: readonly ImpostorRow[] = [
    {
      server: 'that demands a client certificate with TLS 1.2',
      at: () => securing({ maxVersion: 'TLSv1.2', requestCert: true, rejectUnauthorized: true, ca: root.ca }),
      reason: 'TlsRequired',
      says: /either it demands a client certificate, or it knows none of our ciphers/,
    },
    {
      server: 'that knows none of our ciphers',
      at: () => securing({ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' }),
      reason: 'TlsRequired',
      says: /either it demands a client certificate, or it knows none of our ciphers/,
    },
    {
      server: "that demands a client certificate in the words of Java's TLS 1.2",
      at: () => alerting(42),
      reason: 'ClientCertificateRequired',
      says: /demands a client certificate/,
    },
    {
      server: 'that knows TLS 1.1 only',
      at: () => securing({ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }),
      reason: 'TlsRequired',
      says: /TLS 1\.2 or later/,
    },
    {
      server: 'that serves other names',
      at: () => alerting(112),
      reason: 'HostNameMismatch',
      says: /no certificate for the name it was asked for/,
    },
    {
      server: 'that has a fault in its TLS',
      at: () => alerting(80),
      reason: 'TlsRequired',
      says: /the TLS handshake failed: tlsv1 alert internal error/,
    },
    {
      server: 'that announces TLS and goes on in plain text',
      at: () =>
        impostor((socket) => {
          socket.write(INFO);
          socket.once('data', () => socket.write('-ERR something\r\n'));
        }),
      reason: 'TlsRequired',
      says: /what it answers is not TLS/,
    },
    {
      server: 'without TLS',
      at: async () => (await serve({})).host,
      reason: 'TlsRequired',
      says: /does not speak TLS/,
    },
    {
      server: 'with TLS where the URL says nats://',
      at: async () => nats.host,
      scheme: 'nats',
      reason: 'TlsRequired',
      says: /demands TLS: write tls:\/\//,
    },
    {
      server: 'that hangs up in the middle of the handshake',
      at: () =>
        impostor((socket) => {
          socket.write(INFO);
          socket.once('data', () => socket.end());
        }),
      reason: 'Unreachable',
      says: /broke off the connection in the middle of the TLS handshake/,
    },
    {
      server: 'that hangs up at once',
      at: () => impostor((socket) => socket.end()),
      reason: 'Unreachable',
      says: /accepted the connection and closed it before it said anything, also when TLS was offered first/,
    },
    {
      server: 'that hangs up at once where the URL says nats://',
      at: () => impostor((socket) => socket.end()),
      scheme: 'nats',
      reason: 'Unreachable',
      says: /accepted the connection and closed it .*if it waits for TLS first, write tls:\/\//,
    },
    {
      server: 'that speaks HTTP',
      at: () => impostor((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
      reason: 'Unreachable',
      says: /what answers there is not a NATS server/,
    },
  ];
  for (const { server, at, scheme = 'tls', reason, says } of IMPOSTORS) {
    it(`is ${reason} for a server ${server}`, async () => {
      const place = await at();
      for (const connect of scheme === 'nats' ? CLIENTS_IN_THE_CLEAR : CLIENTS) {
        isFailure(await failure(connect(`${scheme}://${place}`, { ca: root.ca })), reason, says);
      }
    });
  }

  it('says that nothing listens only where that was seen', async () => {
    const gone = await impostor((socket) => socket.end());
    await new Promise((resolve) => impostors.at(-1)?.close(resolve));
    for (const connect of CLIENTS) {
      isFailure(await failure(connect(`tls://${gone}`, { ca: root.ca })), 'Unreachable', /nothing listens there/);
    }
  });

  it('does not name a server that hangs up as one where nothing listens', async () => {
    const closing = await impostor((socket) => socket.end());
    for (const connect of CLIENTS) {
      assert.doesNotMatch(messageOf(await failure(connect(`tls://${closing}`, { ca: root.ca }))), /nothing listens/);
    }
  });

  it('names the version of a server that is too old, and the one that is needed', async () => {
    const old = await impostor((socket) => {
      socket.write(INFO.replace('2.15.2', '2.6.6').replace('"tls_required":true', '"tls_required":false'));
      socket.on('data', () => socket.write('PONG\r\n'));
    });
    for (const connect of CLIENTS_IN_THE_CLEAR) {
      const error = await failure(connect(`nats://${old}`, {}));
      isFailure(error, 'ServerTooOld', /nats-server 2\.6\.6, and 2\.10 or later is needed/);
    }
  });
});

import assert from 'node:assert/strict';
import { connect as connectSocket, createServer, type Server, type Socket } from 'node:net';
import { connect as connectTls, TLSSocket } from 'node:tls';
import { connect, nkeyAuthenticator } from 'nats';
import { KINDS } from '../../../operator/api/objects.ts';
import { type OperatorInNamespaces, OperatorProcess } from '../../kit/processes/operator.ts';
import { until } from '../../kit/processes/process.ts';
import {
  type CertificateAuthority,
  createCertificateAuthority,
  type ServerCertificate,
} from '../../kit/servers/certificates.ts';
import { type ControlPlane, sharedControlPlane } from '../../kit/servers/control-plane.ts';
import { OperatedSite } from '../../kit/sites/operated-site.ts';

interface Attempt {
  /** Whose signature it was. */
  readonly publicKey: string;
  /** What the server said to it that the signature was used at. */
  readonly answer: string;
}

/**
 * A peer's server that passes on the number that another server wants to have signed, and signs in there with what it gets. All that
 * it needs is in the open: a nats-server names the number to everybody, before TLS begins.
 */
class RelayingServer {
  readonly attempts: Attempt[] = [];
  readonly #server: Server = createServer();
  readonly #sockets = new Set<Socket>();

  static async start(certificate: ServerCertificate, victimPort: number): Promise<RelayingServer> {
    const relay = new RelayingServer();
    relay.#server.on('connection', (client) => relay.#serve(client, certificate, victimPort));
    await new Promise<void>((resolve) => relay.#server.listen(0, '127.0.0.1', resolve));
    return relay;
  }

  get url(): string {
    return `tls://127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  stop(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #serve(client: Socket, { cert, key }: ServerCertificate, victimPort: number): void {
    const victim = this.#kept(connectSocket(victimPort, '127.0.0.1'));
    this.#kept(client);
    victim.once('data', (greeting: Buffer) => {
      client.write(greeting);
      const secured = new TLSSocket(client, { isServer: true, cert, key }).on('error', () => undefined);
      onLine(secured, /^CONNECT (.*)$/, ([, options = '']) => {
        this.#signIn(victim, options);
        secured.on('close', () => victim.destroy());
      });
    });
  }

  #signIn(victim: Socket, options: string): void {
    const { nkey, sig } = JSON.parse(options) as { nkey: string; sig: string };
    const secured = connectTls({ socket: victim, rejectUnauthorized: false }).on('error', () => undefined);
    const signedIn = { nkey, sig, verbose: false, pedantic: false, lang: 'x', version: '1', protocol: 1 };
    secured.write(`CONNECT ${JSON.stringify(signedIn)}\r\nPUB EVENTS.sync 2\r\n{}\r\nPING\r\n`);
    onLine(secured, /^(PONG|-ERR .*)$/, ([answer]) => this.attempts.push({ publicKey: nkey, answer }));
  }

  #kept(socket: Socket): Socket {
    this.#sockets.add(socket.on('error', () => undefined));
    return socket;
  }
}

/** Once. */
function onLine(socket: Socket, wanted: RegExp, then: (match: RegExpExecArray) => void): void {
  let text = '';
  const read = (chunk: Buffer): void => {
    text += chunk.toString('latin1');
    for (const line of text.split('\r\n').slice(0, -1)) {
      const match = wanted.exec(line);
      if (!match) continue;
      socket.off('data', read);
      then(match);
      return;
    }
  };
  socket.on('data', read);
}

describe("a peer's server that has our sidecar sign the number of our local NATS", function () {
  this.timeout(240_000);
  let operator: OperatorProcess;
  let site: OperatedSite;
  let authority: CertificateAuthority;
  let relay: RelayingServer;

  before(async function () {
    this.timeout(1_200_000);
    const plane: ControlPlane = await sharedControlPlane();
    const started: OperatorInNamespaces = await OperatorProcess.startOver(plane, ['relayed']);
    operator = started.operator;
    site = await OperatedSite.start(plane, started.options.namespaces[0] ?? '', 'hospital-a');
    await site.startSidecar();
    await site.waitForReason('lfhnode', 'local', 'Ready', 'AllReady');
    authority = await createCertificateAuthority('hospital-b');
    relay = await RelayingServer.start(await authority.issue(), site.site.nats.port);
  });

  after(async () => {
    relay?.stop();
    await site?.stop();
    await operator?.stop();
  });

  it('gets the signature, and is refused by our local NATS all the same', async () => {
    const spec = { lfhId: 'hospital-b', servers: [relay.url], ca: { inline: authority.ca } };
    await site.apply(KINDS.peer, 'hospital-b', { spec });
    await until('two attempts', () => relay.attempts.length >= 2, 60_000);
    const [publicKey = ''] = (await site.node()).status?.publicKeys ?? [];
    for (const attempt of relay.attempts) {
      assert.deepEqual(attempt, { publicKey, answer: "-ERR 'Authorization Violation'" });
    }
    assert.equal(await site.site.streamMessages(), 0);
    await site.kubectl('delete', 'lfhpeer', 'hospital-b');
  });

  it('would be let in with the signature of a key that our local NATS knows', async () => {
    const publicKey = site.site.administrator.getPublicKey();
    const attempt = (): Attempt | undefined => relay.attempts.find((each) => each.publicKey === publicKey);
    const authenticator = nkeyAuthenticator(site.site.administrator.getSeed());
    const options = { servers: relay.url, tls: { ca: authority.ca }, authenticator, reconnect: false, timeout: 5_000 };
    const connecting = connect(options).catch(() => undefined);
    await until('an attempt with that signature', () => attempt() !== undefined, 60_000);
    assert.equal(attempt()?.answer, 'PONG');
    await until('its message is stored', async () => (await site.site.streamMessages()) === 1);
    relay.stop();
    await connecting;
  });
});

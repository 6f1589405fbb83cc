import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, nkeyAuthenticator } from 'nats';
import { createAccount, createOperator, type KeyPair } from 'nkeys.js';
import { InvalidInputError } from '../../../common/errors.ts';
import type { ServerTrust } from '../../../operator/nats/connection.ts';
import { canaryKey, localNatsKey, makeKey, type UserKey } from '../../../operator/nats/keys.ts';
import {
  type LiveReport,
  type SignIn,
  trySignIn,
  type WhichConfig,
  whichConfig,
} from '../../../operator/nats/sign-in.ts';
import { natsIncludes } from '../../../operator/plan/nats/permissions.ts';
import type { Endpoint } from '../../../operator/plan/observed/endpoints.ts';
import { freePort, soonerThan, until } from '../../kit/processes/process.ts';
import {
  type CertificateAuthority,
  type CertificateOptions,
  createCertificateAuthority,
} from '../../kit/servers/certificates.ts';
import { NatsServer } from '../../kit/servers/nats-server.ts';

describe("the operator's sign-in at the NATS servers of a node", () => {
  const node = makeKey();
  const user = localNatsKey(node.seed);
  let directory: string;
  let ca: CertificateAuthority;
  const servers: NatsServer[] = [];
  let served = 0;
  const silent: Server[] = [];
  const sockets: Socket[] = [];

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lfh-sync-operator-sign-in-'));
    ca = await createCertificateAuthority('hospital-a');
  });

  after(async () => {
    for (const server of silent) server.close();
    for (const socket of sockets) socket.destroy();
    await Promise.all(servers.map((server) => server.stop()));
    await rm(directory, { recursive: true, force: true });
  });

  async function serve(
    accounts: string,
    certificate?: CertificateOptions | 'plaintext',
    extra = '',
    host: '127.0.0.1' | '[::1]' = '127.0.0.1',
  ): Promise<NatsServer> {
    const name = `nats-${(served += 1)}`;
    const server = await NatsServer.start({
      directory: join(directory, name),
      name,
      ...(certificate === 'plaintext' ? {} : { certificate: await ca.issue(certificate) }),
      accounts,
      extra,
      host,
    });
    servers.push(server);
    return server;
  }

  /** What a server has that includes the configuration of a hash. */
  function included(hash: string, key: UserKey = node): string {
    const own = [localNatsKey(key.seed).publicKey];
    const access = { account: 'LFH', own, users: [], peers: [], canary: canaryKey(key.seed, hash).publicKey };
    return `LFH {\n${natsIncludes(access).mainAccount}}`;
  }

  function ask(server: NatsServer | string, hash: string, over: Partial<WhichConfig> = {}): Promise<LiveReport> {
    const url = typeof server === 'string' ? server : server.url;
    return whichConfig([url], { nodeSeed: node.seed, hash, ca: ca.ca, ...over });
  }

  function isReported(report: LiveReport, outcome: string, ...says: RegExp[]): void {
    const [only] = report.servers;
    assert.deepEqual(
      [report.servers.length, only?.outcome, report.live],
      [1, outcome, outcome === 'Live'],
      only?.message,
    );
    for (const pattern of says) assert.match(only?.message ?? '', pattern);
  }

  describe('for the configuration that they run', () => {
    it('finds it live on the server that runs it, and on no other until that is reloaded', async () => {
      const [newer, older] = await Promise.all([serve(included('two')), serve(included('one'))]);
      isReported(await ask(newer, 'two'), 'Live', new RegExp(newer.host));
      isReported(await ask(newer, 'one'), 'ConfigNotLive');
      isReported(await ask(older, 'two'), 'ConfigNotLive', new RegExp(older.host), /reload/);

      const both = await whichConfig([newer.url, older.url], { nodeSeed: node.seed, hash: 'two', ca: ca.ca });
      assert.deepEqual([both.live, both.servers.map(({ outcome }) => outcome)], [false, ['Live', 'ConfigNotLive']]);
      await older.reload({ accounts: included('two') });
      isReported(await ask(older, 'two'), 'Live');
      assert.equal(
        (await whichConfig([newer.url, older.url], { nodeSeed: node.seed, hash: 'two', ca: ca.ca })).live,
        true,
      );
    });

    it('finds it at an address of IPv6, in the URL and behind a Service', async () => {
      const server = await serve(included('one'), undefined, '', '[::1]');
      isReported(await ask(server, 'one'), 'Live', /NATS server \[::1\]:/);
      const behind = [{ address: '::1', port: server.port }];
      const endpoints = new Map([['tls://localhost:4222', behind]]);
      isReported(await ask('tls://localhost:4222', 'one', { endpoints }), 'Live', /NATS server \[::1\]:/);
      isReported(await ask(server, 'one', { ca: (await createCertificateAuthority('b')).ca }), 'NotTrusted', /\[::1\]/);
    });

    it('asks a server whose pod is not ready as well, waits for it nowhere, and sets it apart only if it does not answer', async () => {
      const [current, older] = await Promise.all([serve(included('two')), serve(included('one'))]);
      const at = (port: number): Endpoint => ({ address: '127.0.0.1', port });
      const lost: Endpoint = { ...at(older.port), notReady: true };
      const gone: Endpoint = { ...at(await freePort()), notReady: true };
      const url = 'tls://localhost:4222';
      const found = async (...endpoints: readonly Endpoint[]): Promise<LiveReport> =>
        ask(url, 'two', { endpoints: new Map([[url, endpoints]]) });
      const report = await found(at(current.port), lost, gone);
      assert.deepEqual(
        report.servers.map(({ server, outcome, notReady = false }) => [server, outcome, notReady]),
        [
          [current.host, 'Live', false],
          [older.host, 'ConfigNotLive', true],
        ],
      );
      const isLive = async (...endpoints: readonly Endpoint[]): Promise<readonly boolean[]> => {
        const { live, everywhere } = await found(...endpoints);
        return [live, everywhere];
      };
      assert.deepEqual(await isLive(at(current.port), lost), [true, false]);
      assert.deepEqual(await isLive(at(current.port), at(older.port)), [false, false]);
      assert.deepEqual(await isLive(lost), [false, false], 'nothing else is left that could be waited for');
      assert.deepEqual(
        report.silent.map(({ server }) => server),
        [`127.0.0.1:${gone.port}`],
      );
      assert.deepEqual(await isLive(at(current.port), gone), [true, false]);
      assert.deepEqual(await isLive(at(current.port)), [true, true]);
      isReported(await found(gone), 'Unreachable', /none of the pods behind localhost:4222 is ready/);
    });

    it('reports NoAuthorization for a server without any users, also when our own key is accepted there', async () => {
      const server = await serve('');
      isReported(await ask(server, 'one'), 'NoAuthorization', /lets everybody in/, /include/);
    });

    it("does not try a stranger's key where it was refused a moment ago, unless something else is wrong there", async () => {
      const server = await serve(included('one'));
      const refusals = (): number => server.process.output().split('authentication error').length - 1;
      isReported(await ask(server, 'one'), 'Live');
      await until('its log tells of the stranger', () => refusals() === 1);
      isReported(await ask(server, 'one', { refusing: new Set([server.host]) }), 'Live');
      isReported(await ask(server, 'two', { refusing: new Set([server.host]) }), 'ConfigNotLive');
      await until('its log tells of the canary', () => refusals() === 2);
    });

    it('reports IncludeMissing for a server that does not include our files', async () => {
      const server = await serve(`LFH { users: [ { nkey: ${makeKey().publicKey} } ] }`);
      isReported(await ask(server, 'one'), 'IncludeMissing', /does not include/, /JWT/);
      assert.match((await ask(server, 'one')).servers[0]?.message ?? '', new RegExp(user.publicKey));
      const passwords = await serve('LFH { users: [ { user: admin, password: hunter2 } ] }');
      isReported(await ask(passwords, 'one'), 'IncludeMissing');
    });

    it('reports IncludeMissing for a server in operator (JWT) mode', async () => {
      const server = await serve('', undefined, operatorMode());
      isReported(await ask(server, 'one'), 'IncludeMissing', /operator \(JWT\) mode/);
    });

    it('cannot be answered by another node, or by anyone who has only seen the configuration', async () => {
      const server = await serve(included('one'));
      isReported(await ask(server, 'one', {}), 'Live');
      const other = await whichConfig([server.url], { nodeSeed: makeKey().seed, hash: 'one', ca: ca.ca });
      isReported(other, 'IncludeMissing');
    });

    it('recognises an older configuration by the previous key during a rotation', async () => {
      const previous = makeKey();
      const server = await serve(included('one', previous));
      isReported(await ask(server, 'two'), 'IncludeMissing');
      isReported(await ask(server, 'two', { previousSeed: previous.seed }), 'ConfigNotLive');
    });

    it('uses a canary that may do nothing at all', async () => {
      const server = await serve(included('one'));
      const canary = canaryKey(node.seed, 'one');
      const connection = await connect({
        servers: server.url,
        tls: { ca: ca.ca },
        authenticator: nkeyAuthenticator(Buffer.from(canary.seed)),
        reconnect: false,
      });
      try {
        await assert.rejects(connection.request('EVENTS.sync', '', { timeout: 5000 }), /Permissions Violation/);
      } finally {
        await connection.close();
      }
    });

    it('leaves no connection behind', async () => {
      const server = await serve(included('one'));
      isReported(await ask(server, 'one'), 'Live');
      isReported(await ask(server, 'two'), 'ConfigNotLive');
      const authenticator = nkeyAuthenticator(Buffer.from(user.seed));
      const connection = await connect({ servers: server.url, tls: { ca: ca.ca }, authenticator });
      try {
        await until('only this connection is left', async () => {
          const answer = await connection.request('$SYS.REQ.ACCOUNT.PING.CONNZ');
          return answer.json<{ data: { num_connections: number } }>().data.num_connections === 1;
        });
      } finally {
        await connection.close();
      }
    });

    it('reports a server that is down as Unreachable, and one with a foreign CA as NotTrusted', async () => {
      const server = await serve(included('one'));
      const other = await createCertificateAuthority('hospital-c');
      isReported(await ask(server, 'one', { ca: other.ca }), 'NotTrusted', /nats\.ca/);
      isReported(await ask(server, 'one', { ca: undefined }), 'NotTrusted');
      isReported(await ask(`tls://127.0.0.1:${await freePort()}`, 'one'), 'Unreachable', /nothing listens/);
      await server.stop();
      isReported(await ask(server, 'one'), 'Unreachable');
      await server.start();
      isReported(await ask(server, 'one'), 'Live');
    });

    it('asks every address of a name, and demands the name in the certificate', async () => {
      const server = await serve(included('one'), { names: [{ type: 'dns', value: 'localhost' }] });
      const report = await ask(`tls://localhost:${server.port}`, 'one');
      isReported(report, 'Live');
      assert.equal(report.servers[0]?.server, server.host);
      isReported(await ask(server, 'one'), 'HostNameMismatch', /127\.0\.0\.1/);
      isReported(await ask(server, 'one', { tlsServerName: 'localhost' }), 'Live');
      isReported(await ask('tls://nats.invalid:4222', 'one'), 'Unreachable', /nats\.invalid.*DNS/);
    });

    it("asks every pod behind a Kubernetes Service, and demands the Service's name in its certificate", async () => {
      const names = { names: [{ type: 'dns' as const, value: 'nats' }] };
      const pods = [await serve(included('one'), names), await serve(included('two'), names)];
      const behind = pods.map(({ port }) => ({ address: '127.0.0.1', port }));
      const report = await ask('tls://nats:4222', 'one', { endpoints: new Map([['tls://nats:4222', behind]]) });
      assert.deepEqual(
        report.servers.map(({ server, outcome }) => [server, outcome]),
        [
          [pods[0]?.host, 'Live'],
          [pods[1]?.host, 'ConfigNotLive'],
        ],
      );
      assert.equal(report.live, false);
    });

    it('says when the first certificate of the chain expires, of every server that lets us in, and of no other', async () => {
      const known = [await serve(included('one'), { notAfter: 20 }), await serve(included('two'))];
      const stranger = await serve(included('one', makeKey()));
      const days = async (server: NatsServer): Promise<number | undefined> => {
        const expires = (await ask(server, 'one')).servers[0]?.certificateExpires;
        return expires === undefined ? undefined : Math.round((expires - Date.now()) / 86_400_000);
      };
      assert.deepEqual(await Promise.all(known.map(days)), [20, 90]);
      assert.equal(await days(stranger), undefined);
      const dying = await createCertificateAuthority('dying', { notAfter: 5 });
      const directoryOfDying = join(directory, 'dying');
      const certificate = await dying.issue();
      const dies = await NatsServer.start({
        directory: directoryOfDying,
        name: 'dying',
        certificate,
        accounts: included('one'),
      });
      servers.push(dies);
      const [report] = (await ask(dies, 'one', { ca: dying.ca })).servers;
      assert.equal(Math.round(((report?.certificateExpires ?? 0) - Date.now()) / 86_400_000), 5);
    });

    it('is never live where there is no server', async () => {
      assert.deepEqual(await whichConfig([], { nodeSeed: node.seed, hash: 'one' }), {
        live: false,
        everywhere: false,
        servers: [],
        silent: [],
      });
    });
  });

  describe('at one server', () => {
    async function tries(
      server: string,
      outcome: SignIn['outcome'],
      says: RegExp,
      trust: ServerTrust = {},
    ): Promise<void> {
      const found = await trySignIn(server, user, { ca: ca.ca, ...trust });
      assert.equal(found.outcome, outcome, found.message);
      assert.match(found.message, says);
      assert.doesNotMatch(found.message, new RegExp(user.seed));
    }

    it('reports what is wrong with a certificate', async () => {
      const accounts = included('one');
      const [expired, early] = await Promise.all([
        serve(accounts, { notBefore: -3, notAfter: -1 }),
        serve(accounts, { notBefore: 1, notAfter: 3 }),
      ]);
      await tries(expired.url, 'CertificateExpired', /renew/);
      await tries(early.url, 'CertificateNotYetValid', /clocks/);
    });

    it('reports which of the two sides does not speak TLS', async () => {
      const [plain, secure] = await Promise.all([serve(included('one'), 'plaintext'), serve(included('one'))]);
      await tries(plain.url, 'Accepted', /accepts/);
      await tries(`tls://${plain.host}`, 'TlsRequired', /does not speak TLS/);
      await tries(`nats://${secure.host}`, 'TlsRequired', /tls:\/\//);
    });

    it('reports that the server demands a client certificate', async () => {
      const server = await NatsServer.start({
        directory: join(directory, 'verify'),
        name: 'verify',
        accounts: included('one'),
        extra: await clientCertificates(),
      });
      servers.push(server);
      // The server resets the connection right behind its reason, so that this gets lost now and then.
      await until('the reason arrived', async () => {
        const { outcome, message } = await trySignIn(`tls://${server.host}`, user, { ca: ca.ca });
        return outcome === 'ClientCertificateRequired' && /client certificate.*verify/.test(message);
      });
    });

    it('gives up a server that stays silent for 5 s, and leaves nothing open', async () => {
      const server = createServer((socket) => sockets.push(socket.resume()));
      silent.push(server);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as { port: number };
      const trying = tries(`tls://127.0.0.1:${port}`, 'Unreachable', /does not answer/);
      await soonerThan(7_000, 'the server is given up', trying);
      await until('its socket is closed', () => sockets.length > 0 && sockets.every(({ destroyed }) => destroyed));
    });

    it('refuses an impossible server or CA without quoting it', async () => {
      const wrong: readonly (readonly [string, ServerTrust])[] = [
        ['tls://admin:hunter2@127.0.0.1:4222', {}],
        ['https://127.0.0.1:4222', {}],
        ['127.0.0.1:4222', {}],
        ['tls://127.0.0.1:4222', { ca: '' }],
        ['tls://127.0.0.1:4222', { ca: 'hunter2' }],
        ['tls://127.0.0.1:4222', { ca: '-----BEGIN CERTIFICATE-----\nhunter2\n-----END CERTIFICATE-----' }],
      ];
      for (const [server, trust] of wrong) {
        await assert.rejects(trySignIn(server, user, trust), (error) => {
          assert.ok(error instanceof InvalidInputError, `${server}: ${String(error)}`);
          assert.doesNotMatch(error.message, /hunter2/);
          return true;
        });
      }
    });
  });

  async function clientCertificates(): Promise<string> {
    const { cert, key } = await ca.issue();
    await mkdir(join(directory, 'client'), { recursive: true });
    const files = Object.entries({ cert, key, ca: ca.ca }).map(async ([name, content]) => {
      const path = join(directory, 'client', name);
      await writeFile(path, content);
      return `${name}_file: ${JSON.stringify(path)}`;
    });
    return `tls { ${(await Promise.all(files)).join(', ')}, verify: true }`;
  }
});

/** The configuration of a server that takes its users from JWTs alone. */
function operatorMode(): string {
  const [operator, account] = [createOperator(), createAccount()];
  const sys = account.getPublicKey();
  const own = token(operator, operator.getPublicKey(), 'operator');
  const preload = `${sys}: ${token(operator, sys, 'account')}`;
  return `operator: ${own}\nsystem_account: ${sys}\nresolver: MEMORY\nresolver_preload { ${preload} }`;
}

function token(issuer: KeyPair, subject: string, type: string): string {
  const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');
  const claims = { jti: 'test', iat: 1, iss: issuer.getPublicKey(), sub: subject, nats: { type, version: 2 } };
  const signed = `${encode({ typ: 'JWT', alg: 'ed25519-nkey' })}.${encode(claims)}`;
  return `${signed}.${Buffer.from(issuer.sign(Buffer.from(signed))).toString('base64url')}`;
}

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { connect, type NatsConnection, nkeyAuthenticator } from 'nats';
import { type Client, durableConfig, pushDurableConfig } from '../../../common/contract/durable.ts';
import { inboxPrefix, STATUS_SERVICE, statusSubject, syncName } from '../../../common/contract/names.ts';
import type { SidecarStatus } from '../../../common/contract/status.ts';
import { TransientError } from '../../../common/errors.ts';
import { isAccountFull } from '../../../common/out-of-connections.ts';
import { type JetStream, openJetStream } from '../../../operator/nats/consumers.ts';
import { localNatsKey, makeKey, probeKey, type UserKey } from '../../../operator/nats/keys.ts';
import { type PeerAccount, probePeerAccount } from '../../../operator/nats/peer-account.ts';
import { askSidecars } from '../../../operator/nats/sidecar-status.ts';
import { PEER_LIMITS } from '../../../operator/plan/nats/peer-limits.ts';
import { natsIncludes } from '../../../operator/plan/nats/permissions.ts';
import { messagesPerSecond } from '../../../operator/plan/nats/traffic.ts';
import { CONNECTIONS_SUBJECT, PROBE_INBOX } from '../../../operator/plan/observed/names.ts';
import type { PeerConnection } from '../../../operator/plan/observed/observed.ts';
import { soonerThan, until } from '../../kit/processes/process.ts';
import { type CertificateAuthority, createCertificateAuthority } from '../../kit/servers/certificates.ts';
import { EVENTS_STREAM } from '../../kit/servers/events-stream.ts';
import { NatsServer } from '../../kit/servers/nats-server.ts';
import { UpstreamConnect } from '../../kit/servers/upstream-connect.ts';

const STREAM = EVENTS_STREAM.name;

describe('what the operator asks over NATS', () => {
  const node = makeKey();
  const user = localNatsKey(node.seed);
  const peer = { lfhId: 'hospital.b', stream: STREAM };
  const [oldKey, newKey] = [makeKey(), makeKey()];
  let directory: string;
  let ca: CertificateAuthority;
  let server: NatsServer;
  let own: JetStream;
  const connections: NatsConnection[] = [];

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lfh-sync-operator-status-'));
    ca = await createCertificateAuthority('hospital-a');
    server = await NatsServer.start({
      directory,
      name: 'hospital-a',
      certificate: await ca.issue(),
      accounts: `LFH { jetstream: enabled, users: [ { nkey: ${user.publicKey} } ] }`,
    });
    own = await openJetStream([server.url], { nodeSeed: node.seed, ca: ca.ca });
  });

  afterEach(async () => {
    await Promise.all(connections.splice(0).map((connection) => connection.close()));
  });

  after(async () => {
    await own?.close();
    await server?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  async function signIn(key: UserKey, inboxPrefix = '_INBOX', at = server): Promise<NatsConnection> {
    const authenticator = nkeyAuthenticator(Buffer.from(key.seed));
    const connection = await connect({ servers: at.url, tls: { ca: ca.ca }, authenticator, inboxPrefix });
    connections.push(connection);
    return connection;
  }

  describe('of an impostor of JetStream', () => {
    let liar: NatsServer;
    let lied: JetStream;

    before(async () => {
      const accounts = `LFH { users: [ { nkey: ${user.publicKey} } ] }`;
      const certificate = await ca.issue();
      const extra = 'jetstream: false\nmax_payload: 8MB\nmax_pending: 64MB';
      liar = await NatsServer.start({ directory, name: 'liar', certificate, accounts, extra });
    });
    beforeEach(async () => {
      lied = await openJetStream([liar.url], { nodeSeed: node.seed, ca: ca.ca });
    });
    afterEach(() => lied.close());
    after(() => liar?.stop());

    async function answers(operation: string, answer: () => string): Promise<void> {
      const connection = await signIn(user, '_INBOX', liar);
      connection.subscribe(`$JS.API.${operation}.${STREAM}`, {
        callback: (_error, message) => message.respond(answer()),
      });
      await connection.flush();
    }

    it('reads no more durables than a stream can have, and says so, where it always claims one more', async () => {
      let asked = 0;
      await answers('STREAM.INFO', () => 'null');
      await answers('CONSUMER.LIST', () => {
        const name = `lfh-sync-${(asked += 1)}`;
        const info = { name, config: {}, num_pending: 0, ack_floor: {}, delivered: {} };
        return JSON.stringify({ total: 1e9, consumers: [info] });
      });
      await assert.rejects(lied.durables(STREAM, 300), {
        reason: 'Unreachable',
        message: /lists more than 2560 consumers of the stream EVENTS, or lists them without end.*correct nats.servers/,
      });
      assert.equal(asked, 10);
      await assert.rejects(lied.bounds(STREAM), { name: 'TransientError', reason: 'Unreachable' });
    });

    it('takes no answer above 1 MB, and says so', async () => {
      const told = { reason: 'Unreachable', message: /answers with more than 1 MB at once.*correct nats.servers/ };
      let size = 1024 * 1024;
      await answers('CONSUMER.LIST', () => JSON.stringify({ total: 0, consumers: [] }).padEnd(size));
      assert.deepEqual(await lied.durables(STREAM, 0), []);
      size += 1;
      await assert.rejects(lied.durables(STREAM, 0), told);
      assert.equal(lied.connected.connection.isClosed(), true);
    });

    it('keeps of a durable only what is compared', async () => {
      const config = { ...durableConfig('b'), metadata: { x: 'x'.repeat(1_000) } };
      const info = { name: 'lfh-sync-b', config, num_pending: 0, ack_floor: {}, delivered: {} };
      await answers('CONSUMER.LIST', () => JSON.stringify({ total: 1, consumers: [info] }));
      const [found] = await lied.durables(STREAM, 1);
      assert.deepEqual(found?.config, durableConfig('b'));
    });
  });

  describe('of the sidecars', () => {
    /** As much of a status as is looked at on arrival. */
    function statusOf(lfhId: string, peers: readonly unknown[] = []): SidecarStatus {
      const settings = { state: 'Current', message: '', digest: null };
      const status = { lfhId, node: 'local', settings, publicKeys: [], kafka: { joined: true, remark: null }, peers };
      return status as unknown as SidecarStatus;
    }

    const ofPeer = {
      name: 'b',
      lfhId: 'hospital-b',
      owned: true,
      reason: 'Replaying',
      message: '',
      server: null,
      key: null,
      position: { sequence: 7, time: null, identity: null },
      lag: 0,
      replayed: 1,
      skipped: { OwnMessage: 1 },
      rejected: {},
      lastReplayTime: '2026-11-25T08:00:00.000Z',
    };

    /** A sidecar's service; one without an answer is silent. */
    async function serve(answer: string | undefined, delayMs = 0, nodeName = 'local'): Promise<void> {
      const connection = await signIn(user);
      const queue = `q${connections.length}`;
      const service = await connection.services.add({ name: STATUS_SERVICE, version: '1.0.0', queue });
      service.addEndpoint('status', {
        subject: statusSubject(nodeName),
        handler: (_error, request) => {
          if (answer !== undefined) setTimeout(() => request.respond(answer), delayMs);
        },
      });
      await connection.flush();
    }

    it('is answered with nothing where there is no sidecar', async () => {
      assert.deepEqual(await askSidecars(own.connected, 'local', 1000), { statuses: [], unreadable: 0 });
    });

    it('is answered by each sidecar of the node, also by a slower one', async () => {
      await serve(JSON.stringify(statusOf('first')));
      await serve(JSON.stringify(statusOf('second')), 150);
      await serve(JSON.stringify(statusOf('foreign')), 0, 'other');
      // On a busy machine the slower one may miss the 300 ms that it is waited for after the faster one.
      let found: readonly unknown[] = [];
      await until('both answer in time', async () => {
        const { statuses, unreadable } = await askSidecars(own.connected, 'local', 3000);
        found = [statuses, unreadable];
        return statuses.length >= 2;
      });
      assert.deepEqual(found, [[statusOf('first'), statusOf('second')], 0]);
    });

    it('ends with the deadline when a sidecar never stops answering', async () => {
      const connection = await signIn(user);
      const dripping: NodeJS.Timeout[] = [];
      connection.subscribe(statusSubject('local'), {
        callback: (_error, { reply }) => {
          if (reply) dripping.push(setInterval(() => connection.publish(reply, '{}'), 50));
        },
      });
      await connection.flush();
      try {
        const asking = askSidecars(own.connected, 'local', 500);
        const { unreadable } = await soonerThan(3_000, 'the answers are given up', asking);
        assert.ok(unreadable > 1 && unreadable < 30, `${unreadable} answers`);
      } finally {
        for (const each of dripping) clearInterval(each);
      }
    });

    it('accepts no more answers than a node can have sidecars', async () => {
      const connection = await signIn(user);
      connection.subscribe(statusSubject('local'), {
        callback: (_error, message) => {
          for (let count = 0; count < 5_000; count += 1) message.respond('{}');
        },
      });
      await connection.flush();
      assert.equal((await askSidecars(own.connected, 'local', 5_000)).unreadable, 1_000);
    });

    it('does not wait beyond the deadline for a silent sidecar, nor that long when others have answered', async () => {
      await serve(undefined);
      const none = await soonerThan(2_000, 'the silent one is given up', askSidecars(own.connected, 'local', 500));
      assert.deepEqual(none, { statuses: [], unreadable: 0 });
      await serve(JSON.stringify(statusOf('second')));
      const asking = askSidecars(own.connected, 'local', 10_000);
      assert.equal((await soonerThan(5_000, 'the answer of the other suffices', asking)).statuses.length, 1);
    });

    it('leaves out what it cannot read of a FHIR server, and reads the rest', async () => {
      const server = {
        url: 'https://fhir.example.org',
        owned: true,
        reason: 'Busy',
        message: 'it answers 429',
        lag: 3,
        pending: null,
        oldestPending: null,
        lastSuccess: '2026-11-25T08:00:00.000Z',
        delivered: 4,
        refused: 0,
        givenUp: 0,
        lastError: { time: '2026-11-25T08:00:00.000Z', message: 'it answers 429' },
      };
      const wrong = [
        null,
        { ...server, url: 'https://lfh:password@fhir.example.org' },
        { ...server, reason: 'Invented' },
        { ...server, lag: -1 },
        { ...server, lastSuccess: 'today' },
        { ...server, lastError: { message: 'x'.repeat(5_000) } },
      ];
      await serve(JSON.stringify({ ...statusOf('first'), transmit: [...wrong, server] }));
      const { statuses } = await askSidecars(own.connected, 'local', 3000);
      assert.deepEqual(statuses[0]?.transmit, [server]);
    });

    it('counts answers that are not a status, and leaves them out', async () => {
      const status = statusOf('first', [ofPeer]);
      const { peers, ...withoutPeers } = status;
      assert.equal(peers.length, 1);
      const wrong = [
        '',
        'no JSON',
        'null',
        '[]',
        '7',
        withoutPeers,
        { ...status, peers: [null] },
        { ...status, settings: 1 },
        { ...status, settings: { ...status.settings, digest: 'ABCDEF012345' } },
        { ...status, kafka: {} },
        statusOf('x', [{ ...ofPeer, reason: 'Invented' }]),
        statusOf('x', [{ ...ofPeer, lag: 1.5 }]),
        statusOf('x', [{ ...ofPeer, replayed: -1 }]),
        statusOf('x', [{ ...ofPeer, skipped: null }]),
        statusOf('x', [{ ...ofPeer, rejected: { NotJson: '1' } }]),
        statusOf('x', [{ ...ofPeer, position: { sequence: 2 ** 60 } }]),
        statusOf('x', [{ ...ofPeer, lastReplayTime: 'yesterday' }]),
        statusOf('x', [{ ...ofPeer, rejectedRun: { count: '3', reason: 'NotJson', origin: null } }]),
        statusOf('x', [{ ...ofPeer, rejectedRun: { count: 3, reason: 'Invented', origin: null } }]),
        statusOf('x', [{ ...ofPeer, certificateExpires: 'never' }]),
        statusOf('x', [{ ...ofPeer, certificateExpires: 0 }]),
        statusOf('x', [{ ...ofPeer, digest: '0123456789ab\n' }]),
        statusOf('x', [{ ...ofPeer, digest: '0123456789abc' }]),
        statusOf('x', [{ ...ofPeer, rejectedRun: { count: 3, reason: 'ForeignOrigin', origin: 'two words' } }]),
        `{"peers":[{"__proto__":${JSON.stringify(ofPeer)}}]}`,
      ];
      for (const answer of wrong) await serve(typeof answer === 'string' ? answer : JSON.stringify(answer));
      const older = { ...status, settings: { state: 'Current', message: '' } };
      await serve(JSON.stringify(older));
      let found: Awaited<ReturnType<typeof askSidecars>> | undefined;
      await until('all answer in time', async () => {
        found = await askSidecars(own.connected, 'local', 3000);
        return found.statuses.length + found.unreadable === wrong.length + 1;
      });
      assert.deepEqual(found, {
        statuses: [
          {
            ...status,
            peers: [{ ...ofPeer, rejectedRun: null, certificateExpires: null, redrive: null, digest: null }],
          },
        ],
        unreadable: wrong.length,
      });
    });

    it('is read with and without a run of rejections, which older sidecars do not report', async () => {
      const rejectedRun = { count: 3, reason: 'ForeignOrigin', origin: 'connect-7d9f8c-abcde' };
      await serve(JSON.stringify(statusOf('x', [ofPeer, { ...ofPeer, rejectedRun }])));
      const { statuses } = await askSidecars(own.connected, 'local', 3000);
      assert.deepEqual(
        statuses[0]?.peers.map((peer) => peer.rejectedRun),
        [null, rejectedRun],
      );
    });

    it("fails with the server's name when the connection is gone", async () => {
      const closed = await openJetStream([server.url], { nodeSeed: node.seed, ca: ca.ca });
      await closed.close();
      await assert.rejects(askSidecars(closed.connected, 'local', 1000), (error) => {
        assert.ok(error instanceof TransientError, String(error));
        assert.match(error.message, new RegExp(server.host));
        return true;
      });
    });
  });

  describe("inside a peer's account", () => {
    const probe = probeKey(node.seed, peer.lfhId);
    const name = syncName(peer.lfhId);

    function accounts(isolation: 'Accounts' | 'Users', client: Client = 'Sidecar'): string {
      const publicKeys = [oldKey.publicKey, newKey.publicKey];
      const peers = [{ lfhId: peer.lfhId, publicKeys, probe: probe.publicKey, client }];
      const access = { account: 'LFH', own: [user.publicKey], users: [], peers, isolation };
      const { mainAccount, peerAccounts } = natsIncludes(access);
      return `LFH {\n jetstream: enabled\n${mainAccount}}\n${peerAccounts}`;
    }

    async function look(key = probe): Promise<Required<PeerAccount>> {
      const about = { durable: name, client: 'Sidecar', stream: STREAM, connections: true } as const;
      const { served, connections = [] } = await probePeerAccount(server.url, key, { ca: ca.ca }, about);
      return { served, connections };
    }

    /** The keys that somebody is connected with. */
    async function openKeys(key = probe): Promise<string[]> {
      const { connections } = await look(key);
      return connections.flatMap((each) => (each.open ? [each.key] : []));
    }

    beforeEach(async () => {
      await own.connected.connection.request(`$JS.API.STREAM.CREATE.${STREAM}`, JSON.stringify(EVENTS_STREAM), {
        timeout: 20_000,
      });
      await own.ensureDurable(STREAM, durableConfig(peer.lfhId));
    });

    it('is served only after the second reload, and only with its durable', async () => {
      await server.reload({ accounts: `LFH { jetstream: enabled, users: [ { nkey: ${user.publicKey} } ] }` });
      await assert.rejects(look(), { reason: 'KeyRefused' });
      await server.reload({ accounts: accounts('Accounts') });
      assert.equal((await look()).served, false);
      await server.reload({});
      assert.equal((await look()).served, true);
      const about = { durable: name, client: 'Sidecar', stream: STREAM, connections: false } as const;
      assert.deepEqual(await probePeerAccount(server.url, probe, { ca: ca.ca }, about), { served: true });
      await own.removeDurable(STREAM, name);
      assert.equal((await look()).served, false);
    });

    it('shows which key the peer is connected with, and moves nothing', async () => {
      await server.reload({ accounts: accounts('Accounts') });
      await server.reload({});
      // The server may not have noticed yet that the connections of the test before are closed.
      await until('nobody is connected', async () => (await openKeys()).length === 0);
      await signIn(newKey);
      assert.deepEqual(await openKeys(), [newKey.publicKey]);
      await signIn(oldKey);
      assert.deepEqual(new Set(await openKeys()), new Set([newKey.publicKey, oldKey.publicKey]));
      const info = await own.connected.connection.request(`$JS.API.CONSUMER.INFO.${STREAM}.${name}`, '', {
        timeout: 20_000,
      });
      const { delivered, num_waiting } = info.json<{ delivered: { stream_seq: number }; num_waiting: number }>();
      assert.deepEqual([delivered.stream_seq, num_waiting], [0, 0]);
    });

    it('is served where connect itself receives, only with its durable, and shows who is connected', async () => {
      const wanted = pushDurableConfig(peer.lfhId);
      await server.reload({ accounts: accounts('Accounts', 'Connect') });
      await server.reload({});
      const about = { durable: wanted.durable_name, client: 'Connect', stream: STREAM, connections: true } as const;
      const lookAt = () => probePeerAccount(server.url, probe, { ca: ca.ca }, about);
      assert.equal((await lookAt()).served, false);
      await own.ensureDurable(STREAM, wanted);
      assert.equal((await lookAt()).served, true);
      const upstream = await UpstreamConnect.start({
        url: server.url,
        ca: ca.ca,
        seed: new TextEncoder().encode(newKey.seed),
      });
      try {
        // The server may not have noticed yet that the connections of the test before are closed.
        await until('it alone is shown', async () => {
          const open = (await lookAt()).connections?.filter((each) => each.open).map(({ key }) => key);
          return open?.join() === newKey.publicKey;
        });
      } finally {
        await upstream.close();
      }
    });

    it('is answered the same to the node itself where peers have no accounts of their own', async () => {
      await server.reload({ accounts: accounts('Users') });
      await signIn(oldKey);
      await until('it is served', async () => (await look(user)).served);
      await until('only the peer of this test is connected', async () => {
        return isDeepStrictEqual(await openKeys(user), [oldKey.publicKey]);
      });
    });

    for (const isolation of ['Accounts', 'Users'] as const) {
      it(`shows how much a peer floods, also on connections that it closes, with isolation ${isolation}`, async () => {
        await server.reload({ accounts: accounts(isolation) });
        await server.reload({});
        const who = isolation === 'Users' ? user : probe;
        const theirs = async (): Promise<PeerConnection[]> => {
          return (await look(who)).connections.filter(({ key }) => key === newKey.publicKey);
        };
        const before = await theirs();
        const flood = async (): Promise<NatsConnection> => {
          const connection = await signIn(newKey, inboxPrefix(name));
          for (let n = 0; n < 3_000; n += 1) connection.publish(`$JS.ACK.${STREAM}.${name}.1.1.1.1.0`, '+WPI');
          await connection.flush();
          return connection;
        };
        await (await flood()).close();
        await flood();
        await until('the server has closed the first', async () => {
          return (await theirs()).length === before.length + 2;
        });
        const after = await theirs();
        // As if these two looks had been a minute and a second apart.
        assert.equal(Math.round(60 * (messagesPerSecond(before, after, 60) ?? 0)), 6_000);
        assert.ok((messagesPerSecond(before, after, 1) ?? 0) > PEER_LIMITS.messagesPerSecond / 2);
        assert.equal(messagesPerSecond(after, await theirs(), 60), 0);
      });
    }

    it('is refused where the peer has all connections that it may have, and says so', async () => {
      await server.reload({ accounts: accounts('Accounts') });
      await server.reload({});
      await until('nobody is connected', async () => (await openKeys()).length === 0);
      for (let n = 0; n < PEER_LIMITS.maxConnections; n += 1) await signIn(newKey);
      await assert.rejects(look(), (error: unknown) => {
        assert.ok(error instanceof TransientError && isAccountFull(error), String(error));
        assert.match(error.message, /refuses one more connection: it has as many as its max_connections allows/);
        return true;
      });
      await connections.pop()?.close();
      await until('there is room again', () =>
        look().then(
          ({ served }) => served,
          () => false,
        ),
      );
    });

    it('does not stop at answers that somebody else gives in the place of the server', async () => {
      await server.reload({ accounts: accounts('Users') });
      const impostor = await signIn(user);
      const answers = ['', 'no JSON', 'null', '7', '[]', '{"data":{"connections":[null,{"authorized_user":7}]}}'];
      let asked = 0;
      impostor.subscribe(CONNECTIONS_SUBJECT, {
        callback: (_error, message) => {
          asked += 1;
          for (const answer of answers) message.respond(answer);
        },
      });
      await impostor.flush();
      await signIn(oldKey);
      await until('only the peer of this test is connected', async () => {
        return isDeepStrictEqual(await openKeys(user), [oldKey.publicKey]);
      });
      assert.ok(asked > 0);
    });

    it('is all that the probe may do there', async () => {
      await server.reload({ accounts: accounts('Accounts') });
      await server.reload({});
      const connection = await signIn(probe, PROBE_INBOX);
      for (const subject of [
        'EVENTS.sync',
        `$JS.API.CONSUMER.RESET.${STREAM}.${name}`,
        `$JS.ACK.${STREAM}.${name}.1`,
      ]) {
        await assert.rejects(connection.request(subject, '', { timeout: 5000 }), /Permissions Violation/, subject);
      }
      const stranger = await signIn(oldKey);
      await assert.rejects(stranger.request('$SYS.REQ.ACCOUNT.PING.CONNZ', '', { timeout: 5000 }), /Permissions/);
    });
  });
});

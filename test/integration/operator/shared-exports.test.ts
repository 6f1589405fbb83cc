import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type NatsConnection, nkeyAuthenticator } from 'nats';
import { createUser, type KeyPair } from 'nkeys.js';
import { inboxPrefix, syncName } from '../../../common/contract/names.ts';
import { type NatsIncludes, natsIncludes } from '../../../operator/plan/nats/permissions.ts';
import { until } from '../../kit/processes/process.ts';
import { earlierNatsText } from '../../kit/servers/earlier-nats-text.ts';
import { numbered, pullAs } from '../../kit/servers/nats-peer.ts';
import { NATS_VERSIONS, NatsServer, type NatsVersion } from '../../kit/servers/nats-server.ts';

const PEERS = ['hospital-b', 'hospital-c'] as const;
const [B, C] = [syncName(PEERS[0]), syncName(PEERS[1])];

/** Four exports serve all peers (ADR 36). An operator of before wrote four for each of them. */
for (const version of Object.keys(NATS_VERSIONS) as NatsVersion[]) {
  describe(`the exports that all peers of nats-server ${NATS_VERSIONS[version]} share`, function () {
    this.timeout(60_000);
    const own = createUser();
    const keys = new Map(PEERS.map((lfhId) => [lfhId, createUser()]));
    const publicKeys = Object.fromEntries([...keys].map(([lfhId, key]) => [lfhId, key.getPublicKey()]));
    const now = natsIncludes({
      account: 'LFH',
      own: [own.getPublicKey()],
      users: [],
      peers: PEERS.map((lfhId) => ({ lfhId, publicKeys: [publicKeys[lfhId] ?? ''] })),
    });
    let directory: string;
    let nats: NatsServer;
    let ours: NatsConnection;

    before(async () => {
      directory = await mkdtemp(join(tmpdir(), 'lfh-sync-exports-'));
      const accounts = accountsOf(earlierNatsText(own.getPublicKey(), publicKeys));
      nats = await NatsServer.start({ directory: join(directory, 'nats'), name: 'exports', version, accounts });
      ours = await signIn(own, 'own');
      const manager = await ours.jetstreamManager();
      await manager.streams.add({ name: 'EVENTS', subjects: ['EVENTS.*'] });
      for (const durable_name of [B, C]) {
        await manager.consumers.add('EVENTS', {
          durable_name,
          filter_subject: 'EVENTS.sync',
          ack_policy: 'all' as never,
        });
      }
      for (const payload of numbered(1, 2, 3, 4)) await ours.jetstream().publish('EVENTS.sync', payload);
    });
    after(async () => {
      await ours.close();
      await nats.stop();
      await rm(directory, { recursive: true });
    });

    function accountsOf({ mainAccount, peerAccounts }: NatsIncludes): string {
      return `LFH {\n  jetstream: enabled\n${mainAccount}}\n${peerAccounts}`;
    }

    function signIn(key: KeyPair | undefined, durable: string): Promise<NatsConnection> {
      const authenticator = nkeyAuthenticator(key?.getSeed() ?? new Uint8Array());
      return connect({ servers: [nats.url], authenticator, inboxPrefix: inboxPrefix(durable), reconnect: false });
    }

    async function floorOf(durable: string): Promise<number> {
      const { ack_floor } = await (await ours.jetstreamManager()).consumers.info('EVENTS', durable);
      return ack_floor.stream_seq;
    }

    it('replace those of before in one reload, and go on serving who is connected', async () => {
      const theirs = await signIn(keys.get('hospital-b'), B);
      assert.equal((await pullAs(theirs, B, 1))[0]?.text, 'message 1');
      await nats.reload({ accounts: accountsOf(now) });
      const [second] = await pullAs(theirs, B, 1);
      assert.equal(second?.text, 'message 2');
      theirs.publish(second.subject);
      await until('two are acknowledged', async () => (await floorOf(B)) === 2);
      assert.equal(await floorOf(C), 0);
      if (version === 'current') {
        const answer = await theirs.request(`$JS.API.CONSUMER.RESET.EVENTS.${B}`, '{"seq": 2}', { timeout: 20_000 });
        assert.equal(answer.json<{ error?: unknown }>().error, undefined);
        assert.equal((await pullAs(theirs, B, 1))[0]?.text, 'message 2');
      }
      assert.equal(theirs.isClosed(), false);
      await theirs.close();
    });

    it('serve each peer its own durable only', async () => {
      const theirs = await signIn(keys.get('hospital-c'), C);
      assert.equal((await pullAs(theirs, C, 1))[0]?.text, 'message 1');
      await assert.rejects(theirs.request(`$JS.API.CONSUMER.MSG.NEXT.EVENTS.${B}`, '1', { timeout: 20_000 }), {
        code: 'PERMISSIONS_VIOLATION',
      });
      await theirs.close();
    });

    for (const [index, what] of [
      'pulls',
      'resets',
      'acknowledgements',
      'acknowledgements in the other form',
    ].entries()) {
      it(`cannot be imported for the ${what} of another account, whoever has written that`, async () => {
        const line = new RegExp(`^  S${index + 1}: ".*${C}.*"$`, 'm');
        const peerAccounts = now.peerAccounts.replace(line, (found) => found.replace(C, B));
        assert.notEqual(peerAccounts, now.peerAccounts);
        await assert.rejects(nats.reload({ accounts: accountsOf({ ...now, peerAccounts }) }), /not authorized/);
      });
    }
  });
}

import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { connect, type NatsConnection, nkeyAuthenticator } from 'nats';
import { createUser } from 'nkeys.js';
import { STATUS_SERVICE, statusSubject } from '../../../common/contract/names.ts';
import type { SidecarStatus } from '../../../common/contract/status.ts';
import { connectOnce } from '../../../operator/nats/connection.ts';
import { sidecarNatsKey } from '../../../operator/nats/keys.ts';
import { askSidecars, type SidecarAnswers } from '../../../operator/nats/sidecar-status.ts';
import { natsIncludes } from '../../../operator/plan/nats/permissions.ts';
import { soonerThan, until } from '../../kit/processes/process.ts';
import { type PeerOf, type SidecarOptions, SidecarProcess } from '../../kit/processes/sidecar.ts';
import { Site } from '../../kit/sites/site.ts';

/** Within this time a sidecar that runs answers, also on a busy machine. */
const ANSWER_MS = 5_000;
const NO_KAFKA = { KAFKA_BOOTSTRAP_SERVERS: '127.0.0.1:1' };
const PASSWORD = 'not-for-anybody-else';

/** Nothing here needs a Kafka: the status of a sidecar without Kafka does as well. */
describe('the status service of sidecars', () => {
  let b: Site;
  let peer: Site;
  const running: SidecarProcess[] = [];
  const connections: NatsConnection[] = [];

  before(async () => {
    [b, peer] = await Promise.all([site('hospital-b'), site('hospital.a')]);
  });

  afterEach(async () => {
    await stopAll();
    await Promise.all(connections.splice(0).map((connection) => connection.close()));
  });

  after(() => Promise.all([b?.stop(), peer?.stop()]));

  async function stopAll(): Promise<void> {
    await Promise.all(running.splice(0).map((sidecar) => sidecar.stop()));
  }

  function site(lfhId: string, natsConfig = ''): Promise<Site> {
    return Site.start(lfhId, { kafka: false, natsConfig });
  }

  async function start(options: Partial<SidecarOptions> = {}, at = b): Promise<SidecarProcess> {
    const settings = { ...NO_KAFKA, ...options.settings };
    const sidecar = await SidecarProcess.start(at, { peers: [{ site: peer }], ...options, settings });
    running.push(sidecar);
    return sidecar;
  }

  async function ask(at = b, timeoutMs = ANSWER_MS): Promise<SidecarAnswers> {
    const connected = await connectOnce(at.nats.url, at.own, { ca: at.ca.ca });
    try {
      return await askSidecars(connected, 'local', timeoutMs);
    } finally {
      await connected.connection.close();
    }
  }

  /** Waits until exactly these answer, each with the same status as over HTTP. */
  async function answer(...sidecars: SidecarProcess[]): Promise<void> {
    let [found, wanted]: SidecarStatus[][] = [[], []];
    const same = async (): Promise<boolean> => {
      found = inOrder((await ask()).statuses);
      wanted = inOrder(await Promise.all(sidecars.map((sidecar) => sidecar.status())));
      return isDeepStrictEqual(found, wanted);
    };
    await until(`${sidecars.length} answer`, same, 30_000).catch(() => assert.deepEqual(found, wanted));
  }

  it('returns the status of each of them, the same as over HTTP', async () => {
    await answer();
    const [one, two, three] = [await start(), await start({ peers: [] }), await start()];
    await answer(one, two, three);
    await two.stop();
    await answer(one, three);
    await one.kill();
    await answer(three);
  });

  it('takes no longer than the time-out when one stands still, and does not wait for it when others answer', async () => {
    const [one, two] = [await start(), await start()];
    await answer(one, two);
    await one.process.pause();
    let [found, wanted]: SidecarStatus[][] = [[], []];
    const same = async (): Promise<boolean> => {
      found = [...(await soonerThan(15_000, 'the answer of another suffices', ask(b, 30_000))).statuses];
      wanted = [await two.status()];
      return isDeepStrictEqual(found, wanted);
    };
    await until('the one that runs answers', same).catch(() => assert.deepEqual(found, wanted));
    await two.process.pause();
    const none = await soonerThan(10_000, 'it ends with the time-out', ask(b, 1_000));
    assert.deepEqual(none, { statuses: [], unreadable: 0 });
    for (const { process } of [one, two]) process.resume();
    // The requests that came meanwhile are answered late, when nobody waits for them.
    await answer(one, two);
  });

  it('is there as soon as the local NATS is, and again after its restart', async () => {
    await b.nats.stop();
    const sidecar = await start();
    const { nats, publicKeys } = await sidecar.status();
    assert.deepEqual([nats.key, publicKeys], [null, [b.publicKey]]);
    await natsBecomes(sidecar, null, /127\.0\.0\.1:\d+ cannot be reached: nothing listens there/);
    await b.nats.start();
    await natsBecomes(sidecar, b.sidecarUser.publicKey, /^$/);
    await answer(sidecar);
    await b.nats.stop();
    await natsBecomes(sidecar, null, /./);
    await b.nats.start();
    await answer(sidecar);
    await b.nats.kill();
    await natsBecomes(sidecar, null, /./);
    await b.nats.start();
    await answer(sidecar);
  });

  it('leaves it to HTTP to report that the local NATS refuses the key, until that accepts it', async () => {
    const key = createUser();
    const sidecar = await start({ settings: { 'nats-server.nk': new TextDecoder().decode(key.getSeed()) } });
    const { publicKey } = sidecarNatsKey(new TextDecoder().decode(key.getSeed()));
    await natsBecomes(sidecar, null, new RegExp(`refuses our key ${publicKey}: .*not the key that peers know`));
    assert.ok((await sidecar.log()).includes(`"localNatsKey":"${publicKey}"`), 'it tells at the start whom to let in');
    const { message } = (await sidecar.status()).nats;
    assert.match(message, /LfhSyncNode/);
    assert.doesNotMatch(message, /LfhSyncPeer|administrator of this node/);
    assert.deepEqual((await ask()).statuses, []);
    await b.setSidecarKeys([key]);
    await natsBecomes(sidecar, publicKey, /^$/);
    await answer(sidecar);
    await b.setSidecarKeys([]);
    await natsBecomes(sidecar, null, /refuses our key/);
  });

  it('skips a status that is larger than a message may be, and everything else goes on', async () => {
    const small = await site('small', 'max_payload: 4KB');
    try {
      const peers = Array.from({ length: 8 }, (_, index): PeerOf => {
        return { site: peer, overrides: { name: `peer-${index}`, lfhId: `peer-${index}`, paused: true } };
      });
      const sidecar = await start({ peers }, small);
      await until('it is counted', async () => (await ask(small)).unreadable === 1);
      await ask(small);
      assert.match(await sidecar.log(), /the status has \d+ bytes, and max_payload of this NATS is 4096: raise it/);
      assert.equal((await sidecar.log()).match(/max_payload/g)?.length, 1, 'it is not said once');
      assert.equal((await sidecar.status()).peers.length, 8);
      await sidecar.configure([], NO_KAFKA);
      await until('it fits', async () => (await ask(small)).statuses.length === 1);
    } finally {
      await stopAll();
      await small.stop();
    }
  });

  it('returns no secret', async () => {
    const sidecar = await start({
      settings: {
        LFH_SYNC_KAFKA_SASL_MECHANISM: 'plain',
        LFH_SYNC_KAFKA_SASL_USERNAME: 'somebody',
        LFH_SYNC_KAFKA_SASL_PASSWORD_FILE: 'kafka-password',
        'kafka-password': PASSWORD,
        LFH_SYNC_PREVIOUS_NK_FILE: 'previous.nk',
        'previous.nk': new TextDecoder().decode(createUser().getSeed()),
      },
    });
    await answer(sidecar);
    const told = JSON.stringify([await ask(), await servicesSay(await b.connect())]);
    assert.ok(told.includes(b.publicKey));
    assert.doesNotMatch(told, /S[A-Z][A-Z2-7]{56}|BEGIN |somebody/);
    assert.ok(!told.includes(PASSWORD));
    const log = await sidecar.log();
    assert.doesNotMatch(log, /S[A-Z][A-Z2-7]{56}|BEGIN |somebody/);
    assert.ok(!log.includes(PASSWORD));
  });

  describe('is closed to a peer', () => {
    let sidecar: SidecarProcess;

    beforeEach(async () => {
      sidecar = await start();
      await answer(sidecar);
    });

    it('that has an account of its own', async () => {
      await b.grantAccess(peer);
      await isRefused(await b.connectAs(peer));
    });

    it('that shares our account', async () => {
      const peers = [{ lfhId: peer.lfhId, publicKeys: [peer.publicKey] }];
      const shared = natsIncludes({ account: 'LFH', own: [b.own.publicKey], users: [], peers, isolation: 'Users' });
      await b.nats.reload({ accounts: `LFH {\n  jetstream: enabled\n${shared.mainAccount}}` });
      try {
        await answer(sidecar);
        await isRefused(await b.connectAs(peer));
      } finally {
        await b.setSidecarKeys([]);
      }
    });

    it('and to any user of another account', async () => {
      const stranger = createUser();
      await b.nats.reload({
        accounts: `LFH { jetstream: enabled, users: [ { nkey: ${b.own.publicKey} } ] }
          OTHER { users: [ { nkey: ${stranger.getPublicKey()} } ] }`,
      });
      try {
        await answer(sidecar);
        const connection = await connect({
          servers: b.nats.url,
          tls: { ca: b.ca.ca },
          authenticator: nkeyAuthenticator(stranger.getSeed()),
        });
        connections.push(connection);
        for (const subject of subjects())
          await assert.rejects(connection.request(subject, '', { timeout: 20_000 }), { code: '503' }, subject);
      } finally {
        await b.setSidecarKeys([]);
      }
    });

    function subjects(): string[] {
      return [statusSubject('local'), '$SRV.PING', `$SRV.INFO.${STATUS_SERVICE}`, `$SRV.STATS.${STATUS_SERVICE}`];
    }

    async function isRefused(connection: NatsConnection): Promise<void> {
      for (const subject of subjects()) {
        await assert.rejects(connection.request(subject, '', { timeout: 5_000 }), /Permissions Violation/, subject);
      }
    }
  });

  async function natsBecomes(sidecar: SidecarProcess, key: string | null, message: RegExp): Promise<void> {
    let last: SidecarStatus['nats'] | undefined;
    const same = async (): Promise<boolean> => {
      last = (await sidecar.status()).nats;
      return last.key === key && message.test(last.message);
    };
    await until(`our local NATS tells ${message}`, same, 30_000).catch(() => assert.deepEqual(last, { key, message }));
  }

  /** Everything that the library itself answers about a service. */
  async function servicesSay(connection: NatsConnection): Promise<unknown[]> {
    const client = connection.services.client();
    const told: unknown[] = [];
    for (const answers of [client.ping(STATUS_SERVICE), client.info(STATUS_SERVICE), client.stats(STATUS_SERVICE)]) {
      for await (const each of await answers) told.push(each);
    }
    return told;
  }
});

/** Sorts statuses by the start of their process, in which they differ. */
function inOrder(statuses: readonly SidecarStatus[]): SidecarStatus[] {
  return [...statuses].sort((one, other) => (one.startedAt < other.startedAt ? -1 : 1));
}

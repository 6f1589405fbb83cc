import assert from 'node:assert/strict';
import type { NatsConnection } from 'nats';
import { createUser } from 'nkeys.js';
import { type DurableConfig, durableConfig } from '../../../common/contract/durable.ts';
import { syncName } from '../../../common/contract/names.ts';
import type { Reason } from '../../../common/contract/reasons.ts';
import { InvalidInputError, TransientError } from '../../../common/errors.ts';
import { type Consumer, isUpToDate, type JetStream, openJetStream } from '../../../operator/nats/consumers.ts';
import { localNatsKey, makeKey } from '../../../operator/nats/keys.ts';
import { freePort, until } from '../../kit/processes/process.ts';
import { Site } from '../../kit/sites/site.ts';

const STREAM = 'EVENTS';

describe("the operator's access to local JetStream", () => {
  const peerKey = createUser();
  const peer = { lfhId: 'hospital-b', publicKey: peerKey.getPublicKey() };
  const wanted = durableConfig(peer.lfhId);
  const name = wanted.durable_name;
  let site: Site;
  let own: JetStream;
  let administrator: NatsConnection;

  before(async () => {
    site = await Site.start('hospital-a', { kafka: false });
    own = await open();
    administrator = await site.connect();
  });

  after(async () => {
    await own?.close();
    await site?.stop();
  });

  beforeEach(async () => {
    for (const durable of await own.durables(STREAM, 0)) await own.removeDurable(STREAM, durable.name);
  });

  function open(servers = [site.nats.url], nodeSeed = new TextDecoder().decode(site.seed)): Promise<JetStream> {
    return openJetStream(servers, { nodeSeed, ca: site.ca.ca });
  }

  async function api<Answer>(operation: string, body: object = {}): Promise<Answer> {
    const answer = await administrator.request(`$JS.API.${operation}`, JSON.stringify(body), { timeout: 5000 });
    const parsed = answer.json<Answer & { error?: { description: string } }>();
    if (parsed.error) throw new Error(`${operation}: ${parsed.error.description}`);
    return parsed;
  }

  interface Info {
    readonly created: string;
    readonly config: Readonly<Record<string, unknown>>;
    readonly num_ack_pending: number;
    readonly delivered: { readonly stream_seq: number };
  }

  function info(durable = name): Promise<Info> {
    return api(`CONSUMER.INFO.${STREAM}.${durable}`);
  }

  function stream(): Promise<{ state: { first_seq: number; last_seq: number } }> {
    return api(`STREAM.INFO.${STREAM}`);
  }

  /** Makes the durable what it should be once more, and demands that there was nothing to do. */
  async function demandUnchanged(): Promise<void> {
    const before = await info();
    assert.ok(isUpToDate(before.config, wanted), JSON.stringify(before.config));
    await own.ensureDurable(STREAM, wanted);
    const { created, config } = await info();
    assert.deepEqual([created, config], [before.created, before.config]);
  }

  function make(config: object, durable = name): Promise<unknown> {
    return api(`CONSUMER.DURABLE.CREATE.${STREAM}.${durable}`, { stream_name: STREAM, config });
  }

  async function only(): Promise<Consumer> {
    const [first, ...others] = await own.durables(STREAM, 0);
    assert.ok(first && others.length === 0);
    return first;
  }

  /** Pulls as an admitted peer does. */
  async function pull(connection: NatsConnection): Promise<{ readonly text: string; readonly ack: () => void }> {
    const body = JSON.stringify({ batch: 1, expires: 2_000_000_000 });
    const subject = `$JS.API.CONSUMER.MSG.NEXT.${STREAM}.${name}`;
    const message = await connection.request(subject, body, { timeout: 5000, noMux: true });
    return { text: message.string(), ack: () => connection.publish(message.reply ?? '', '+ACK') };
  }

  it('creates a durable, and leaves it alone while it is as it should be', async () => {
    await own.ensureDurable(STREAM, wanted);
    const first = await info();
    for (const [field, value] of Object.entries(wanted)) assert.deepEqual(first.config[field], value, field);
    await demandUnchanged();
  });

  it('updates a durable that was changed by hand in place, so that its position is kept', async () => {
    await site.announce([Buffer.from('one'), Buffer.from('two')]);
    const changes: readonly Partial<DurableConfig & Record<string, unknown>>[] = [
      { ack_wait: 5_000_000_000, max_batch: 10, max_expires: 1_000_000_000, max_ack_pending: 7, description: 'x' },
      { filter_subject: 'EVENTS.timing' },
      { max_deliver: 3 },
      { inactive_threshold: 3_600_000_000_000 },
      { headers_only: true },
    ];
    for (const change of changes) {
      await own.removeDurable(STREAM, name);
      await make({ ...wanted, ...change });
      const before = await info();
      await own.ensureDurable(STREAM, wanted);
      const after = await info();
      assert.equal(after.created, before.created, JSON.stringify(change));
      for (const field of Object.keys(change)) {
        assert.deepEqual(after.config[field], { max_deliver: -1, ...wanted }[field as keyof DurableConfig], field);
      }
      await demandUnchanged();
    }
  });

  it('recreates a durable whose difference cannot be updated', async () => {
    const { max_waiting, max_batch, max_expires, ...push } = wanted;
    assert.ok(max_waiting && max_batch && max_expires);
    for (const config of [
      { ...wanted, ack_policy: 'explicit' },
      { ...wanted, deliver_policy: 'new' },
      { ...wanted, max_waiting: 4 },
      { ...push, deliver_subject: 'somewhere' },
    ]) {
      await own.removeDurable(STREAM, name);
      await make(config);
      const before = await info();
      await own.ensureDurable(STREAM, wanted);
      const after = await info();
      assert.notEqual(after.created, before.created, JSON.stringify(config));
      for (const [field, value] of Object.entries(wanted)) assert.deepEqual(after.config[field], value, field);
      await demandUnchanged();
    }
  });

  it('removes a durable, also one that is gone already or whose stream is gone', async () => {
    await own.ensureDurable(STREAM, wanted);
    await own.removeDurable(STREAM, name);
    assert.deepEqual(await own.durables(STREAM, 0), []);
    await own.removeDurable(STREAM, name);
    await own.removeDurable('NOSUCH', name);
  });

  it('neither lists nor touches a durable that is not of lfh-sync', async () => {
    await make({ ...wanted, durable_name: 'SYNC' }, 'SYNC');
    assert.deepEqual(await own.durables(STREAM, 0), []);
    await assert.rejects(own.removeDurable(STREAM, 'SYNC'), /not a durable of lfh-sync/);
    await assert.rejects(own.ensureDurable(STREAM, { ...wanted, durable_name: 'SYNC' }), /not a durable of lfh-sync/);
    await info('SYNC');
  });

  it('lists every durable, also beyond the first page', async () => {
    const ids = Array.from({ length: 300 }, (_, index) => `peer-${index}`);
    for (const id of ids) await own.ensureDurable(STREAM, durableConfig(id));
    assert.deepEqual(
      (await own.durables(STREAM, 0)).map((durable) => durable.name),
      ids.map(syncName).sort(),
    );
  });

  it('reports what a peer was handed, has acknowledged, and waits for', async () => {
    await api(`STREAM.PURGE.${STREAM}`);
    await own.ensureDurable(STREAM, wanted);
    const last = (await stream()).state.last_seq;
    const none = await only();
    assert.deepEqual([none.pending, none.waiting, none.lastActive], [0, 0, undefined]);
    assert.equal((await info()).num_ack_pending, 0);

    await site.announce([Buffer.from('one'), Buffer.from('two'), Buffer.from('three')]);
    // nats-server tells a durable of a message after it has confirmed it.
    await until('the durable knows of all', async () => (await only()).pending === 3);
    const first = await pull(administrator);
    await pull(administrator);
    const handed = await only();
    const { num_ack_pending, delivered } = await info();
    assert.deepEqual([handed.pending, num_ack_pending, delivered.stream_seq], [1, 2, last + 2]);
    assert.ok(Math.abs(Date.parse(handed.lastActive ?? '') - Date.now()) < 60_000);
    first.ack();
    await until('it is acknowledged', async () => (await only()).ackFloor === last + 1);
    assert.equal((await info()).num_ack_pending, 1);

    await pull(administrator);
    const parked = pull(administrator);
    await until('a pull is parked', async () => (await only()).waiting === 1);
    await site.announce([Buffer.from('four')]);
    assert.equal((await parked).text, 'four');
  });

  it('creates a durable that an admitted peer can pull from', async () => {
    await site.grantAccess(peer);
    await site.deleteDurable(peer.lfhId);
    const connection = await site.connectAs({ lfhId: peer.lfhId, seed: peerKey.getSeed() });
    await assert.rejects(pull(connection), /503/);
    await api(`STREAM.PURGE.${STREAM}`);
    await site.announce([Buffer.from('for hospital-b')]);

    await own.ensureDurable(STREAM, wanted);
    const { text, ack } = await pull(connection);
    assert.equal(text, 'for hospital-b');
    ack();
    await until('the acknowledgement counts', async () => (await info()).num_ack_pending === 0);
  });

  it('reports the first and the last message of a stream, or that there is no stream', async () => {
    await site.announce([Buffer.from('x'), Buffer.from('y')]);
    const { first_seq, last_seq } = (await stream()).state;
    const { firstTime = 0, ...bounds } = (await own.bounds(STREAM)) ?? {};
    const maxAge = 365 * 24 * 60 * 60 * 1000;
    assert.deepEqual(bounds, { first: first_seq, last: last_seq, maxAge });
    assert.ok(Math.abs(Date.now() - firstTime) < 120_000, new Date(firstTime).toISOString());
    await site.purge(last_seq);
    assert.equal((await own.bounds(STREAM))?.first, last_seq);
    await site.purge(last_seq + 1);
    assert.deepEqual(await own.bounds(STREAM), { first: last_seq + 1, last: last_seq, firstTime: undefined, maxAge });
    assert.equal(await own.bounds('NOSUCH'), undefined);
    assert.deepEqual(await own.durables('NOSUCH', 0), []);
  });

  describe('says in words that a person can act on', () => {
    async function fails(attempt: Promise<unknown>, reason: Reason, ...says: RegExp[]): Promise<void> {
      const error = await attempt.then(
        () => assert.fail('it worked'),
        (failure: unknown) => failure,
      );
      assert.ok(error instanceof TransientError, String(error));
      assert.equal(error.reason, reason, error.message);
      for (const pattern of says) assert.match(error.message, pattern);
    }

    it('that a durable cannot be made where there is no stream', async () => {
      await fails(own.ensureDurable('NOSUCH', wanted), 'Unreachable', /NOSUCH.*stream not found/, /connect/);
    });

    it('why each server refuses it, and goes on to the next one that accepts it', async () => {
      const down = `tls://127.0.0.1:${await freePort()}`;
      const stranger = makeKey();
      await fails(
        open([site.nats.url], stranger.seed),
        'KeyRefused',
        new RegExp(localNatsKey(stranger.seed).publicKey),
      );
      await fails(
        open([down, site.nats.url], stranger.seed),
        'Unreachable',
        /nothing listens/,
        /does not know the key/,
      );
      const second = await open([down, site.nats.url]);
      assert.ok(await second.bounds(STREAM));
      await second.close();
      await assert.rejects(open([]), InvalidInputError);
    });

    it('that the account has no JetStream', async () => {
      const plain = await Site.startPlainNats(site);
      try {
        await plain.reload({ accounts: `LFH { users: [ { nkey: ${site.own.publicKey} } ] }` });
        const there = await open([plain.url]);
        await fails(there.durables(STREAM, 0), 'PermissionDenied', /jetstream: enabled/);
        await there.close();
      } finally {
        await plain.stop();
      }
    });

    it('that the server went away or stands still', async () => {
      const there = await open();
      await site.nats.process.pause();
      await fails(there.bounds(STREAM), 'Unreachable', /does not answer/);
      site.nats.process.resume();
      await site.nats.restart();
      await fails(there.bounds(STREAM), 'Unreachable', new RegExp(site.nats.host));
      await there.close();
      own = await open();
    });
  });
});

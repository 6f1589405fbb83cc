import assert from 'node:assert/strict';
import { connect, DiscardPolicy, type NatsConnection, nkeyAuthenticator } from 'nats';
import { createUser } from 'nkeys.js';
import { pino } from 'pino';
import { APP_SYNC_SUBJECT, statusSubject, syncName } from '../../../common/contract/names.ts';
import type { Reason } from '../../../common/contract/reasons.ts';
import { sidecarInbox } from '../../../common/contract/sidecar-user.ts';
import { type LocalNats, type LocalNatsOptions, openLocalNats } from '../../../sidecar/nats/local-nats.ts';
import type { Announced } from '../../../sidecar/ports.ts';
import { soonerThan, until } from '../../kit/processes/process.ts';
import { Site } from '../../kit/sites/site.ts';

describe("announcing on the node's local NATS", function () {
  this.timeout(240_000);
  let site: Site;
  const open: LocalNats[] = [];

  before(async () => {
    site = await Site.start('hospital-b', { kafka: false, natsConfig: 'max_payload: 1MB' });
  });
  after(() => site.stop());
  beforeEach(() => site.recreateStream());
  afterEach(async () => {
    await Promise.all(open.splice(0).map((announcer) => announcer.close()));
  });

  function announcer(over: Partial<LocalNatsOptions> = {}): LocalNats {
    const made = openLocalNats({
      servers: [site.nats.url],
      seed: Buffer.from(site.sidecarUser.seed),
      ca: site.ca.ca,
      subject: APP_SYNC_SUBJECT,
      inboxPrefix: sidecarInbox(site.lfhId),
      name: 'lfh-sync test',
      log: pino({ level: 'silent' }),
      ...over,
    });
    made.start({ node: 'local', version: '1.0.0', status: () => ({}) });
    open.push(made);
    return made;
  }

  function messages(from: number, to: number, size = 0): { id: string; payload: Uint8Array }[] {
    return Array.from({ length: to - from + 1 }, (_, index) => ({
      id: `hospital-a:identity:${from + index}`,
      payload: Buffer.from(`payload ${from + index}`.padEnd(size)),
    }));
  }

  async function connected(made: LocalNats): Promise<void> {
    await until('the announcer is connected', async () => (await made.announce([])).problem === undefined);
  }

  async function stored(): Promise<string[]> {
    const connection = await site.connect();
    const jsm = await connection.jetstreamManager();
    const { state } = await jsm.streams.info('EVENTS');
    const all: string[] = [];
    for (let seq = 1; seq <= state.last_seq; seq += 1) {
      const message = await jsm.streams.getMessage('EVENTS', { seq });
      assert.equal(message.subject, APP_SYNC_SUBJECT);
      all.push(new TextDecoder().decode(message.data).trim());
    }
    await connection.close();
    return all;
  }

  it('stores every message with its bytes, in order', async () => {
    const made = announcer();
    await connected(made);
    await made.announce(messages(1, 500));
    assert.deepEqual(
      await stored(),
      messages(1, 500).map(({ payload }) => String(payload)),
    );
  });

  it('stores a message that is announced again only once', async () => {
    const made = announcer();
    await connected(made);
    await made.announce(messages(1, 10));
    await made.announce(messages(1, 10));
    await made.announce(messages(5, 12));
    assert.equal((await stored()).length, 12);
  });

  it('announces 8,000 messages at least three times as fast as one by one', async () => {
    const made = announcer();
    await connected(made);
    const backlog = messages(1, 8000, 2400);
    // On a busy machine both are slower, so that only their relation says something, unless others begin in between.
    const tried: string[] = [];
    const isFaster = async (): Promise<boolean> => {
      await site.recreateStream();
      const oneByOne = await duration(async () => {
        for (const message of messages(8001, 8400, 2400)) await made.announce([message]);
      });
      await site.recreateStream();
      const together = await duration(() => made.announce(backlog));
      tried.push(`${together} ms, and 400 of them one by one ${oneByOne} ms`);
      return together < (oneByOne * 8000) / 400 / 3;
    };
    while (!(await isFaster())) assert.ok(tried.length < 5, tried.join(', '));
    const connection = await site.connect();
    const { state } = await (await connection.jetstreamManager()).streams.info('EVENTS');
    assert.equal(state.messages, 8000);
    await connection.close();
  });

  it('reports which messages are larger than the server accepts, and announces the others', async () => {
    const made = announcer();
    await connected(made);
    const huge = { id: 'huge', payload: Buffer.alloc(2_000_000) };
    const announced = await made.announce([...messages(1, 2), huge, ...messages(3, 4), huge]);
    assert.deepEqual(announced, { done: 6, tooLarge: [2, 5] });
    assert.equal((await stored()).length, 4);
  });

  it('reports a message that the stream refuses between others, and counts none after it as done', async () => {
    const made = announcer();
    await connected(made);
    const connection = await site.connect();
    const streams = (await connection.jetstreamManager()).streams;
    await streams.update('EVENTS', { max_bytes: 200_000, discard: DiscardPolicy.New });
    const all = [...messages(1, 2), ...messages(3, 3, 300_000), ...messages(4, 300)];
    const { done, tooLarge, problem } = await made.announce(all);
    assert.deepEqual([done, tooLarge, problem?.reason], [2, [], 'Unreachable']);
    assert.match(problem?.message ?? '', /does not store EVENTS\.app_sync: maximum bytes exceeded/);
    await connection.close();
  });

  it('reports which messages are larger than the stream accepts, and announces the others', async () => {
    const made = announcer();
    await connected(made);
    const connection = await site.connect();
    const streams = (await connection.jetstreamManager()).streams;
    await streams.update('EVENTS', { max_msg_size: 1_000 });
    const huge = { id: 'huge', payload: Buffer.alloc(2_000_000) };
    const large = (nth: number) => messages(nth, nth, 2_000);
    const all = [...large(1), ...messages(2, 3), huge, ...large(5), ...messages(6, 300), ...large(301)];
    assert.deepEqual(await made.announce(all), { done: 301, tooLarge: [0, 3, 4, 300] });
    assert.deepEqual(await made.announce(large(302)), { done: 1, tooLarge: [0] });
    const expected = [...messages(2, 3), ...messages(6, 300)].map(({ payload }) => String(payload));
    assert.deepEqual(await stored(), expected);
    await streams.update('EVENTS', { max_msg_size: -1 });
    await connection.close();
  });

  it('accepts a message of exactly the size that the server accepts', async () => {
    const made = announcer();
    await connected(made);
    const id = 'x'.repeat(40);
    const announced = (bytes: number) => made.announce([{ id, payload: Buffer.alloc(bytes - id.length) }]);
    assert.deepEqual(await announced(1024 * 1024 - 27), { done: 1, tooLarge: [] });
    assert.deepEqual(await announced(1024 * 1024 - 26), { done: 1, tooLarge: [0] });
    assert.equal((await stored()).length, 1);
  });

  it('reports that no stream has its subject', async () => {
    const made = announcer({ seed: Buffer.from(site.own.seed), subject: 'NOBODY.listens' });
    await connected(made);
    await fails(made.announce(messages(1, 3)), 'Unreachable', /no stream that takes NOBODY\.listens/);
  });

  it('fails at once while the server is down, and works again when it is back', async () => {
    const made = announcer();
    await connected(made);
    await site.nats.stop();
    await until('it noticed', async () => (await made.announce([])).problem !== undefined);
    const failing = fails(made.announce(messages(1, 3)), 'Unreachable', /this node's NATS|closed|listens/);
    await soonerThan(100, 'it fails', failing);
    await site.nats.start();
    await connected(made);
    await made.announce(messages(1, 3));
    assert.equal((await stored()).length, 3);
  });

  it('goes on to the next server when one does not answer', async () => {
    const made = announcer({ servers: ['tls://127.0.0.1:1', site.nats.url] });
    await connected(made);
    await made.announce(messages(1, 1));
    assert.equal((await stored()).length, 1);
  });

  it('reports that its key is refused', async () => {
    const stranger = createUser();
    const made = announcer({ seed: stranger.getSeed() });
    await until('it tried', async () => (await made.announce([])).problem?.reason === 'KeyRefused');
    await fails(made.announce(messages(1, 1)), 'KeyRefused', new RegExp(stranger.getPublicKey()));
  });

  it('gives up messages under way when the server is cut off', async () => {
    const made = announcer();
    await connected(made);
    await site.nats.process.pause();
    const failing = fails(made.announce(messages(1, 3)), 'Unreachable');
    await soonerThan(10_000, 'it gives up', failing).finally(() => site.nats.process.resume());
  });
});

describe("the user of sidecars at their node's local NATS", function () {
  this.timeout(60_000);
  let site: Site;
  let connection: NatsConnection;

  before(async () => {
    site = await Site.start('hospital-b', { kafka: false });
  });
  after(() => site.stop());
  beforeEach(async () => {
    connection = await signIn(site.sidecarUser.seed, sidecarInbox(site.lfhId));
  });
  afterEach(() => connection.close());

  function signIn(seed: string, inbox?: string): Promise<NatsConnection> {
    return connect({
      servers: site.nats.url,
      tls: { ca: site.ca.ca },
      authenticator: nkeyAuthenticator(Buffer.from(seed)),
      reconnect: false,
      ...(inbox !== undefined && { inboxPrefix: inbox }),
    });
  }

  for (const subject of [
    'EVENTS.sync',
    'EVENTS.retransmit',
    '$JS.API.INFO',
    '$JS.API.STREAM.DELETE.EVENTS',
    '$JS.API.STREAM.PURGE.EVENTS',
    `$JS.API.CONSUMER.DELETE.EVENTS.${syncName('hospital-a')}`,
    `$JS.API.CONSUMER.MSG.NEXT.EVENTS.${syncName('hospital-a')}`,
    '$SYS.REQ.ACCOUNT.PING.CONNZ',
    '$SRV.PING',
    statusSubject('local'),
    // From here it could send itself a message, and with its reply subject the right to publish there.
    `${sidecarInbox('hospital-b')}.x`,
    '_INBOX.x',
  ]) {
    it(`may not publish to ${subject}`, async () => {
      await assert.rejects(connection.request(subject, '', { timeout: 5_000 }), { code: 'PERMISSIONS_VIOLATION' });
    });
  }

  for (const subject of ['>', 'EVENTS.>', APP_SYNC_SUBJECT, '_INBOX.>', '$JS.>', '$SYS.>', '$SRV.>', 'lfh-sync.>']) {
    it(`may not subscribe to ${subject}`, async () => {
      let code: string | undefined;
      connection.subscribe(subject, { callback: (error) => void (code = error?.code) });
      await until('it is refused', () => code === 'PERMISSIONS_VIOLATION');
    });
  }

  it('may answer each request once, and send nothing else to that subject', async () => {
    const operator = await signIn(site.own.seed);
    const received: string[] = [];
    const events: string[] = [];
    operator.subscribe('answers.here', { callback: (_error, message) => void received.push(message.string()) });
    connection.subscribe(statusSubject('local'), {
      callback: (_error, message) => {
        message.respond('first');
        message.respond('second');
      },
    });
    void (async () => {
      for await (const { type } of connection.status()) events.push(type);
    })();
    await connection.flush();
    operator.publish(statusSubject('local'), '', { reply: 'answers.here' });
    await until('the second is refused', () => events.length === 1);
    await operator.flush();
    assert.deepEqual([received, events], [['first'], ['error']]);
    await operator.close();
  });

  it("does not reach JetStream's API by the reply subject of an announcement", async () => {
    await site.announce([Buffer.from('kept')]);
    for (const reply of ['$JS.API.STREAM.PURGE.EVENTS', '$JS.API.STREAM.DELETE.EVENTS']) {
      connection.publish(APP_SYNC_SUBJECT, '{}', { reply });
    }
    await connection.flush();
    await site.announce([Buffer.from('stored after whatever came of it')]);
    assert.equal(await site.streamMessages(), 4);
  });

  it("is not needed by a server that knows only the operator's user, and used as soon as it is known", async () => {
    const others = `LFH { jetstream: enabled, users: [ { nkey: ${site.own.publicKey} } ] }`;
    await site.nats.reload({ accounts: others });
    const local = openLocalNats({
      servers: [site.nats.url],
      seed: Buffer.from(site.sidecarUser.seed),
      olderSeeds: [createUser().getSeed(), Buffer.from(site.own.seed)],
      ca: site.ca.ca,
      subject: APP_SYNC_SUBJECT,
      inboxPrefix: sidecarInbox(site.lfhId),
      name: 'lfh-sync test',
      log: pino({ level: 'silent' }),
      keyRetryMs: 100,
    });
    try {
      local.start({ node: 'local', version: '1.0.0', status: () => ({}) });
      await until('the server lets it in', () => local.state.key === site.own.publicKey);
      await local.announce([{ id: 'before', payload: Buffer.from('before') }]);
      await site.setSidecarKeys([]);
      await until('it is the user of sidecars', () => local.state.key === site.sidecarUser.publicKey);
      await local.announce([{ id: 'after', payload: Buffer.from('after') }]);
    } finally {
      await local.close();
    }
  });
});

async function duration(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

async function fails(announced: Promise<Announced>, reason: Reason, ...says: RegExp[]): Promise<void> {
  const { done, problem } = await announced;
  assert.equal(done, 0);
  assert.equal(problem?.reason, reason, problem?.message);
  for (const pattern of says) assert.match(problem?.message ?? '', pattern);
}

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { appendFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type NatsConnection, nkeyAuthenticator } from 'nats';
import { createUser } from 'nkeys.js';
import { inboxPrefix, syncName } from '../../../common/contract/names.ts';
import { natsIncludes } from '../../../operator/plan/nats/config.ts';
import { ServerProcess, until } from '../../kit/processes/process.ts';
import { KafkaServer } from '../../kit/servers/kafka.ts';
import { NatsServer } from '../../kit/servers/nats-server.ts';
import { readTopic } from '../../kit/servers/topic-reader.ts';
import { Site } from '../../kit/sites/site.ts';

const B = { lfhId: 'hospital-b', durable: syncName('hospital-b') };
const PROCESS = join(import.meta.dirname, '..', '..', 'kit', 'processes', 'process.ts');
const CACHE = join(import.meta.dirname, '..', '..', '..', 'image', 'cache.ts');

interface Pulled {
  readonly subject: string;
  readonly text: string;
}

/** Asks a durable for messages and waits until as many came. */
async function pull(connection: NatsConnection, durable: string, count: number): Promise<Pulled[]> {
  const got: Pulled[] = [];
  const inbox = `${inboxPrefix(durable)}.${Math.random().toString(36).slice(2)}`;
  const subscription = connection.subscribe(inbox, {
    callback: (_error, message) => {
      // A status, such as the end of the pull, has no reply subject.
      if (message.reply) got.push({ subject: message.reply, text: message.string() });
    },
  });
  const body = JSON.stringify({ batch: count, expires: 2_000_000_000 });
  connection.publish(`$JS.API.CONSUMER.MSG.NEXT.EVENTS.${durable}`, body, { reply: inbox });
  await until(`${count} messages are pulled`, () => got.length === count);
  subscription.unsubscribe();
  return got;
}

/** A peer without a site of its own. */
function stranger(lfhId: string): Pick<Site, 'lfhId' | 'seed' | 'publicKey'> {
  const key = createUser();
  return { lfhId, seed: key.getSeed(), publicKey: key.getPublicKey() };
}

function texts(...numbers: number[]): Uint8Array[] {
  return numbers.map((number) => Buffer.from(`message ${number}`));
}

describe('the access of a peer', () => {
  let a: Site;
  let b: Site;

  before(async () => {
    [a, b] = await Promise.all([Site.start('hospital-a', { kafka: false }), Site.start(B.lfhId, { kafka: false })]);
    await a.grantAccess(b);
  });
  after(() => Promise.all([a.stop(), b.stop()]));

  it('is enough to pull, acknowledge and reset its own durable, across the boundary of its account', async () => {
    await a.recreateStream();
    await a.announce(texts(1, 2, 3, 4, 5));
    const connection = await a.connectAs(b);
    const first = await pull(connection, B.durable, 4);
    assert.deepEqual(
      first.map(({ text }) => text),
      ['message 1', 'message 2', 'message 3', 'message 4'],
    );
    connection.publish(first[1]?.subject ?? '');
    await until('two are acknowledged', async () => (await a.durableInfo(B.lfhId)).ack_floor.stream_seq === 2);
    const answer = await connection.request(`$JS.API.CONSUMER.RESET.EVENTS.${B.durable}`, '{"seq": 3}');
    assert.equal(answer.json<{ error?: unknown }>().error, undefined);
    const again = await pull(connection, B.durable, 3);
    assert.deepEqual(
      again.map(({ text }) => text),
      ['message 3', 'message 4', 'message 5'],
    );
    // $JS.ACK.<stream>.<durable>.<deliveries>.<stream sequence>.<consumer sequence>…: counted from 1 after a reset.
    assert.match(again[0]?.subject ?? '', /^\$JS\.ACK\.EVENTS\.lfh-sync-hospital-b\.\d+\.3\.1\./);
  });

  const forbidden: readonly string[] = [
    'EVENTS.sync',
    'EVENTS.app_sync',
    '$JS.API.INFO',
    '$JS.API.STREAM.INFO.EVENTS',
    '$JS.API.STREAM.DELETE.EVENTS',
    '$JS.API.STREAM.MSG.GET.EVENTS',
    `$JS.API.CONSUMER.INFO.EVENTS.${B.durable}`,
    `$JS.API.CONSUMER.DELETE.EVENTS.${B.durable}`,
    '$JS.API.CONSUMER.CREATE.EVENTS.mine',
    '$JS.API.CONSUMER.MSG.NEXT.EVENTS.lfh-sync-hospital-c',
    '$JS.API.CONSUMER.RESET.EVENTS.lfh-sync-hospital-c',
    '$JS.ACK.EVENTS.lfh-sync-hospital-c.1.1.1.1.0',
    '_INBOX.lfh-sync-hospital-c.x',
    '$SYS.REQ.SERVER.PING',
  ];
  for (const subject of forbidden) {
    it(`is refused ${subject}`, async () => {
      const connection = await a.connectAs(b);
      await assert.rejects(connection.request(subject, '', { timeout: 5_000 }), { code: 'PERMISSIONS_VIOLATION' });
      await connection.close();
    });
  }

  for (const subject of ['>', 'EVENTS.>', '_INBOX.>', '_INBOX.lfh-sync-hospital-c.>', '$JS.>', '$SYS.>']) {
    it(`is refused listening to ${subject}`, async () => {
      const connection = await a.connectAs(b);
      let code: string | undefined;
      connection.subscribe(subject, { callback: (error) => void (code = error?.code) });
      await until('it is refused', () => code === 'PERMISSIONS_VIOLATION');
      await connection.close();
    });
  }

  it('has nothing delivered into the stream by a reply subject', async () => {
    await a.announce(texts(6, 7, 8));
    const before = await a.streamMessages();
    const connection = await a.connectAs(b);
    await misdirect(connection);
    // The server answers this after the one before, and stores that after whatever came of it.
    await a.announce(texts(9));
    await pull(connection, B.durable, 1);
    await a.announce(texts(10));
    assert.equal(await a.streamMessages(), before + 2);
  });

  it('ends at once when it is taken away, and for nobody else', async () => {
    const other = stranger('hospital-d');
    await a.grantAccess(other);
    const [expelled, stays, own] = [await a.connectAs(b), await a.connectAs(other), await a.connect()];
    // A connection that was lost and made again has another one.
    const ids = (): unknown[] => [stays.info?.client_id, own.info?.client_id];
    const before = ids();
    try {
      await a.revokeAccess(B.lfhId);
      await expelled.closed();
      await assert.rejects(a.connectAs(b), { code: 'AUTHORIZATION_VIOLATION' });
      await a.announce(texts(11));
      await pull(stays, syncName(other.lfhId), 1);
      await own.flush();
      assert.deepEqual(ids(), before);
    } finally {
      await a.revokeAccess(other.lfhId);
      await a.grantAccess(b);
    }
  });
});

/** Asks that what the durable has is delivered to the stream's own subject. */
async function misdirect(connection: NatsConnection): Promise<void> {
  const body = JSON.stringify({ batch: 3, expires: 500_000_000 });
  connection.publish(`$JS.API.CONSUMER.MSG.NEXT.EVENTS.${B.durable}`, body, { reply: 'EVENTS.sync' });
  await connection.flush();
}

describe('the access of a peer as a user of the default account', () => {
  const [own, peer] = [createUser(), createUser()];
  let directory: string;
  let nats: NatsServer;
  let ours: NatsConnection;
  let theirs: NatsConnection;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lfh-sync-users-'));
    const { mainAccount } = natsIncludes({
      isolation: 'Users',
      account: 'unused',
      own: [own.getPublicKey()],
      users: [],
      peers: [{ lfhId: B.lfhId, publicKeys: [peer.getPublicKey()] }],
    });
    const extra = `authorization {\n${mainAccount}}`;
    nats = await NatsServer.start({ directory: join(directory, 'nats'), name: 'users', accounts: '', extra });
    ours = await signIn(own.getSeed());
    theirs = await signIn(peer.getSeed());
  });
  after(async () => {
    await Promise.all([ours.close(), theirs.close()]);
    await nats.stop();
    await rm(directory, { recursive: true });
  });

  function signIn(seed: Uint8Array): Promise<NatsConnection> {
    return connect({
      servers: [nats.url],
      authenticator: nkeyAuthenticator(seed),
      inboxPrefix: inboxPrefix(B.durable),
    });
  }

  it('is enough to pull and reset, and no more; without the boundary a reply subject reaches the stream', async () => {
    const manager = await ours.jetstreamManager();
    await manager.streams.add({ name: 'EVENTS', subjects: ['EVENTS.*'] });
    await manager.consumers.add('EVENTS', { durable_name: B.durable, filter_subject: 'EVENTS.sync' });
    for (const payload of texts(1, 2, 3)) await ours.jetstream().publish('EVENTS.sync', payload);
    assert.equal((await pull(theirs, B.durable, 3)).length, 3);
    await theirs.request(`$JS.API.CONSUMER.RESET.EVENTS.${B.durable}`, '{"seq": 1}');
    for (const subject of ['EVENTS.sync', `$JS.API.CONSUMER.INFO.EVENTS.${B.durable}`]) {
      await assert.rejects(theirs.request(subject), { code: 'PERMISSIONS_VIOLATION' });
    }
    await misdirect(theirs);
    // Why accounts are the default; also shows that the same request of a peer in its own account would be seen.
    await until('the stream grew', async () => (await manager.streams.info('EVENTS')).state.messages === 6);
  });
});

describe('a nats-server', () => {
  let site: Site;
  before(async () => {
    site = await Site.start('hospital-a', { kafka: false });
  });
  after(() => site.stop());

  for (const how of ['stopped', 'killed'] as const) {
    it(`that is ${how} comes back on its port with its messages and durables`, async () => {
      await site.grantAccess(stranger(B.lfhId));
      const [port, before] = [site.nats.port, await site.streamMessages()];
      await site.announce(texts(1, 2, 3));
      await (how === 'stopped' ? site.nats.stop() : site.nats.kill());
      await assert.rejects(connect({ servers: [site.nats.url], tls: { ca: site.ca.ca }, timeout: 1_000 }));
      await site.nats.start();
      assert.equal(site.nats.port, port);
      assert.equal(await site.streamMessages(), before + 3);
      assert.equal((await site.durableInfo(B.lfhId)).ack_floor.stream_seq, 0);
    });
  }

  it('that refuses a configuration says why, and goes on with the one it has', async () => {
    await assert.rejects(site.nats.reload({ accounts: 'LFH { users: [ { nkey: nonsense } ] }' }), /public nkey/);
    await site.streamMessages();
    await site.nats.restart();
    await site.streamMessages();
  });

  it('lets nobody in without a key', async () => {
    const anonymous = connect({ servers: [site.nats.url], tls: { ca: site.ca.ca } });
    await assert.rejects(anonymous, { code: 'AUTHORIZATION_VIOLATION' });
  });

  it('of before 2.14 starts as well, and does not know resets', async () => {
    const old = await Site.start('hospital-old', { kafka: false, natsVersion: 'beforeReset' });
    try {
      const peer = stranger(B.lfhId);
      await old.grantAccess(peer);
      await old.announce(texts(1));
      const connection = await old.connectAs(peer);
      assert.match(connection.info?.version ?? '', /^2\.12\./);
      assert.equal((await pull(connection, B.durable, 1)).length, 1);
      const reset = connection.request(`$JS.API.CONSUMER.RESET.EVENTS.${B.durable}`, '{"seq": 1}', { timeout: 2_000 });
      await assert.rejects(reset, /503|TIMEOUT/);
    } finally {
      await old.stop();
    }
  });
});

describe('a Kafka', () => {
  let directory: string;
  let kafka: KafkaServer;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lfh-sync-kafka-'));
    kafka = await KafkaServer.start({ directory });
    const admin = kafka.client().admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: 'KEPT', numPartitions: 1 }], waitForLeaders: true });
    await admin.disconnect();
  });
  after(async () => {
    await kafka.stop();
    await rm(directory, { recursive: true });
  });

  async function send(value: string): Promise<void> {
    const producer = kafka.client().producer();
    await producer.connect();
    await producer.send({ topic: 'KEPT', messages: [{ value }], timeout: 20_000 });
    await producer.disconnect();
  }

  for (const how of ['stop', 'kill'] as const) {
    it(`keeps its records and its port over ${how} and start`, async () => {
      const { brokers } = kafka;
      await send(how);
      await kafka[how]();
      await kafka.start();
      assert.deepEqual(kafka.brokers, brokers);
      assert.ok((await readTopic(kafka, 'KEPT')).some(({ value }) => String(value) === how));
    });
  }

  it('answers nobody while it is paused, and goes on afterwards', async () => {
    await kafka.pause();
    let answered = false;
    const sending = send('paused').then(() => {
      answered = true;
    });
    await until('the process is stopped', () => /^State:\s+T/m.test(statusOf(kafka.process.pid)));
    assert.equal(answered, false);
    kafka.resume();
    await sending;
    assert.ok((await readTopic(kafka, 'KEPT')).some(({ value }) => String(value) === 'paused'));
  });

  it('makes no topic by itself', async () => {
    const producer = kafka.client().producer({ allowAutoTopicCreation: true, retry: { retries: 1 } });
    await producer.connect();
    await assert.rejects(producer.send({ topic: 'NEVER_MADE', messages: [{ value: 'x' }] }));
    await producer.disconnect();
    assert.deepEqual(await readTopic(kafka, 'NEVER_MADE'), []);
  });
});

/** What the kernel says of a process; empty when there is none. */
function statusOf(pid: number): string {
  const file = `/proc/${pid}/status`;
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

/** Runs a program in a Node of its own. */
function inAnotherProcess(program: string, env: NodeJS.ProcessEnv = {}): ChildProcess {
  return spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
}

describe('a process that is started for a test', () => {
  let directory: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lfh-sync-process-'));
  });
  after(() => rm(directory, { recursive: true }));

  it('ends with us, even when we are killed', async () => {
    const parent = inAnotherProcess(`
      import { ServerProcess } from ${JSON.stringify(PROCESS)};
      const child = new ServerProcess('sleeper', ['sleep', '600'], ${JSON.stringify(join(directory, 'sleeper.log'))});
      console.log(child.pid);
      setInterval(() => undefined, 1_000);
    `);
    const pid = Number(String((await once(parent.stdout as NodeJS.EventEmitter, 'data'))[0]));
    await until('the child runs', () => /^Name:\s+sleep/m.test(statusOf(pid)));
    parent.kill('SIGKILL');
    await until('the child ended', () => !/^State:\s+[^ZX]/m.test(statusOf(pid)));
  });

  it('is made to end when it does not end by itself', async () => {
    const deaf = new ServerProcess(
      'deaf',
      [process.execPath, '-e', "process.on('SIGTERM', () => undefined); console.log('up'); setInterval(() => 0, 1000)"],
      join(directory, 'deaf.log'),
    );
    await deaf.ready(() => deaf.tail().includes('up'), 30_000);
    await deaf.stop(200);
    assert.equal(deaf.running, false);
    assert.equal(await deaf.exited(), null);
  });

  it('tells its exit code, and the end of its log when it ends instead of starting', async () => {
    const script = "console.error('no such thing'); process.exit(3)";
    const failing = new ServerProcess('failing', [process.execPath, '-e', script], join(directory, 'failing.log'));
    await assert.rejects(
      failing.ready(() => false, 10_000),
      /failing ended instead of starting; it said:\nno such thing/,
    );
    assert.equal(await failing.exited(), 3);
  });
});

describe('what is built once', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lfh-sync-cache-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  /** A process that builds `thing`: it notes that it began, and goes on when a file called `go` is there. */
  function builder(): ChildProcess {
    return inAnotherProcess(
      `
      import { appendFile, writeFile } from 'node:fs/promises';
      import { existsSync } from 'node:fs';
      import { cached } from ${JSON.stringify(CACHE)};
      import { until } from ${JSON.stringify(PROCESS)};
      const root = process.env.LFH_SYNC_CACHE;
      console.log(await cached('thing', 'a thing, about 1 s', async (into) => {
        await appendFile(root + '/began', 'x');
        await writeFile(into + '/half', '');
        await until('go', () => existsSync(root + '/go'), 60_000);
        await writeFile(into + '/whole', '');
      }));
      `,
      { LFH_SYNC_CACHE: directory },
    );
  }

  const began = (): Promise<string> => readFile(join(directory, 'began'), 'utf8').catch(() => '');

  it('is built by one of two that want it at the same time, and told once', async () => {
    const both = [builder(), builder()];
    const said = ['', ''];
    for (const [index, child] of both.entries()) child.stderr?.on('data', (text) => void (said[index] += String(text)));
    const ended = both.map((child) => once(child, 'exit'));
    await until('one waits for the other', () => said.some((text) => /waiting for another process/.test(text)));
    await appendFile(join(directory, 'go'), '');
    assert.deepEqual(
      (await Promise.all(ended)).map(([code]) => code),
      [0, 0],
    );
    assert.equal(await began(), 'x');
    assert.equal(said.join('').split('building a thing, about 1 s').length - 1, 1);
    assert.deepEqual((await readdir(directory)).sort(), ['began', 'go', 'thing']);
  });

  it('is built anew after a build that was killed, at once and from nothing', async () => {
    const killed = builder();
    await until('it builds', async () => (await began()) === 'x');
    killed.kill('SIGKILL');
    await once(killed, 'exit');
    await appendFile(join(directory, 'go'), '');
    const heir = builder();
    let said = '';
    heir.stderr?.on('data', (text) => void (said += String(text)));
    assert.deepEqual((await once(heir, 'exit'))[0], 0);
    assert.doesNotMatch(said, /waiting/);
    assert.deepEqual((await readdir(directory)).sort(), ['began', 'go', 'thing']);
    assert.deepEqual((await readdir(join(directory, 'thing'))).sort(), ['half', 'whole']);
  });
});

import assert from 'node:assert/strict';
import { createUser, type KeyPair } from 'nkeys.js';
import { pino } from 'pino';
import { DURABLE as NUMBERS } from '../../../common/contract/durable.ts';
import { inboxPrefix, STREAM, SYNC_SUBJECT, syncName } from '../../../common/contract/names.ts';
import type { Reason } from '../../../common/contract/reasons.ts';
import { TransientError } from '../../../common/errors.ts';
import { type OpenPeerStream, openPeerStream, type PeerStreamOptions } from '../../../sidecar/nats/peer-stream.ts';
import type { Delivered } from '../../../sidecar/replay/delivered.ts';
import { soonerThan, until } from '../../kit/processes/process.ts';
import { Site } from '../../kit/sites/site.ts';

const B = 'hospital-b';
const DURABLE = syncName(B);
const BIG_MESSAGES = 'max_payload: 16MB\nmax_pending: 64MB';

describe("a peer's stream", function () {
  this.timeout(240_000);
  let site: Site;
  let key: KeyPair;
  const open: OpenPeerStream[] = [];

  before(async () => {
    site = await Site.start('hospital-a', { kafka: false, natsConfig: BIG_MESSAGES });
  });
  after(() => site.stop());
  beforeEach(async () => {
    await site.recreateStream();
    key = createUser();
    await site.grantAccess({ lfhId: B, publicKey: key.getPublicKey() });
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((stream) => stream.close()));
  });

  async function connect(over: Partial<PeerStreamOptions> = {}): Promise<OpenPeerStream> {
    const stream = await openPeerStream({
      server: site.nats.url,
      seed: key.getSeed(),
      ca: site.ca.ca,
      stream: STREAM,
      durable: DURABLE,
      inboxPrefix: inboxPrefix(DURABLE),
      name: 'lfh-sync test',
      owner: 'hospital-a',
      log: pino({ level: 'silent' }),
      ...over,
    });
    open.push(stream);
    return stream;
  }

  /** Resolves when more than so many messages were handed out, and no pull waits for more. @returns how many were */
  async function handedOut(moreThan: number): Promise<number> {
    let last = 0;
    await until(`more than ${moreThan} messages were handed out, and then no more`, async () => {
      const before = last;
      const { num_ack_pending, num_waiting } = await site.durableInfo(B);
      last = num_ack_pending;
      return last > moreThan && last === before && num_waiting === 0;
    });
    return last;
  }

  it('delivers every message in order, with its bytes, sequences and the time it was stored', async () => {
    const began = Date.now();
    await site.announce(texts(1, 300));
    await site.announce([Buffer.from('not for us')], 'EVENTS.app_sync');
    await site.announce(texts(301, 302));
    const stream = await connect();
    assert.equal((await stream.reset())?.pending, 302);
    stream.start({ messages: 100, bytes: 1e6 });
    const received = await receive(stream, 302);
    assert.deepEqual(received.map(textOf), texts(1, 302).map(String));
    assert.deepEqual(
      received.map(({ consumerSequence }) => consumerSequence),
      counts(1, 302),
    );
    assert.deepEqual(
      received.map(({ streamSequence }) => streamSequence),
      [...counts(1, 300), 302, 303],
    );
    assert.ok(
      received.every(({ deliveryCount, time }) => deliveryCount === 1 && time >= began - 1 && time <= Date.now()),
    );
    assert.deepEqual([received[0]?.pending, received.at(-1)?.pending], [301, 0]);
  });

  it('delivers what is announced while it waits', async () => {
    const stream = await connect();
    await stream.reset();
    stream.start({ messages: 100, bytes: 1e6 });
    const arrival = stream.available(20_000);
    await site.announce(texts(1, 1));
    await arrival;
    assert.deepEqual(stream.take({ messages: 10, bytes: 1e6 }).map(textOf), ['1']);
  });

  it('stops waiting after the given time when nothing comes, and survives many pulls that expire', async () => {
    const stream = await connect({ pull: { maxBatch: 100, expiresMs: 300 } });
    await stream.reset();
    stream.start({ messages: 100, bytes: 1e6 });
    const began = performance.now();
    await stream.available(2000);
    assert.ok(performance.now() - began > 1900);
    assert.deepEqual(stream.take({ messages: 1, bytes: 1 }), []);
    await site.announce(texts(1, 3));
    assert.equal((await receive(stream, 3)).length, 3);
  });

  it('delivers unacknowledged messages again at once after a reset, from consumer sequence 1', async () => {
    await site.announce(texts(1, 50));
    const first = await connect();
    await first.reset();
    first.start({ messages: 100, bytes: 1e6 });
    await receive(first, 50);
    await first.close();
    assert.equal((await site.durableInfo(B)).num_ack_pending, 50);

    const second = await connect();
    assert.deepEqual({ ...(await second.reset()), identity: '' }, { floor: 0, identity: '', pending: 50 });
    assert.equal((await second.reset(20))?.floor, 20);
    second.start({ messages: 100, bytes: 1e6 });
    const again = await soonerThan(NUMBERS.ackWaitMs / 2, 'they are not waited for as for an ack', receive(second, 30));
    assert.deepEqual(
      again.map(({ streamSequence }) => streamSequence),
      counts(21, 50),
    );
    assert.deepEqual(
      again.map(({ consumerSequence }) => consumerSequence),
      counts(1, 30),
    );
  });

  it("moves the durable's floor to the acknowledged message and no further", async () => {
    await site.announce(texts(1, 40));
    const stream = await connect();
    await stream.reset();
    stream.start({ messages: 100, bytes: 1e6 });
    const received = await receive(stream, 40);
    received[24]?.ack();
    await until('the ack arrived', async () => (await site.durableInfo(B)).ack_floor.stream_seq === 25);
    assert.equal((await stream.reset())?.floor, 25);
  });

  it('sends an ack that was given just before it is closed', async () => {
    await site.announce(texts(1, 10));
    const stream = await connect();
    await stream.reset();
    stream.start({ messages: 100, bytes: 1e6 });
    (await receive(stream, 10)).at(-1)?.ack();
    await stream.close();
    await until('the ack arrived', async () => (await site.durableInfo(B)).ack_floor.stream_seq === 10);
  });

  it('has another identity when the stream was recreated', async () => {
    const before = await (await connect()).reset();
    assert.match(before?.identity ?? '', /\S/);
    assert.equal((await (await connect()).reset())?.identity, before?.identity);
    await site.recreateStream();
    const after = await (await connect()).reset();
    assert.match(after?.identity ?? '', /\S/);
    assert.notEqual(after?.identity, before?.identity);
  });

  it('hands out no more than it is asked for, and at least one message', async () => {
    await site.announce(texts(1, 20, 1000));
    const stream = await connect();
    await stream.reset();
    stream.start({ messages: 20, bytes: 1e6 });
    await handedOut(19);
    assert.equal(stream.take({ messages: 3, bytes: 1e6 }).length, 3);
    assert.equal(stream.take({ messages: 100, bytes: 2500 }).length, 2);
    assert.equal(stream.take({ messages: 100, bytes: 1 }).length, 1);
  });

  it('holds no more than its limits of a backlog of 50,000 messages that nobody takes', async () => {
    await site.announce(texts(1, 50_000, 200));
    const stream = await connect();
    await stream.reset();
    stream.start({ messages: 2000, bytes: 300_000 });
    const held = await handedOut(750);
    assert.ok(held <= 1500, `${held} of 200 bytes are held`);
    const sequences: number[] = [];
    while (sequences.length < 50_000) {
      const some = await receive(stream, 1, 1000);
      some.at(-1)?.ack();
      sequences.push(...some.map(({ consumerSequence }) => consumerSequence));
    }
    assert.deepEqual(sequences, counts(1, 50_000));
  });

  it('delivers a huge message among small ones in order, though it is larger than all the bytes that it may hold', async () => {
    const huge = Buffer.alloc(12 * 1024 * 1024, 'x');
    await site.announce([...texts(1, 20), huge, ...texts(21, 40)]);
    const stream = await connect({ keptBytes: huge.byteLength });
    await stream.reset();
    stream.start({ messages: 16, bytes: 100_000 });
    const all = await receive(stream, 41);
    assert.deepEqual(
      all.map(({ consumerSequence }) => consumerSequence),
      counts(1, 41),
    );
    assert.ok(huge.equals(all[20]?.payload ?? Buffer.alloc(0)));
  });

  it('stops when asked, and keeps what it had pulled for', async () => {
    const stream = await connect({ pull: { maxBatch: 100, expiresMs: 500 } });
    await stream.reset();
    stream.start({ messages: 100, bytes: 1e6 });
    const stopped = stream.stop();
    await site.announce(texts(1, 5));
    await stopped;
    const kept = stream.take({ messages: 100, bytes: 1e6 });
    await site.announce(texts(6, 9));
    await stream.available(800);
    assert.deepEqual(stream.take({ messages: 100, bytes: 1e6 }), []);
    assert.equal((await site.durableInfo(B)).num_ack_pending, kept.length);
  });

  it('reports a missing durable at once, both at a reset and at a pull', async () => {
    await site.deleteDurable(B);
    await fails(
      (await connect()).reset(),
      'ConsumerMissing',
      /lfh-sync-hospital-b on stream EVENTS/,
      /administrator of hospital-a/,
    );
    const stream = await connect();
    stream.start({ messages: 10, bytes: 1e6 });
    const failing = fails(stream.available(10_000), 'ConsumerMissing', /administrator of hospital-a/);
    await soonerThan(5_000, 'the pull fails', failing);
  });

  it('reports that its durable was deleted while it waited', async () => {
    const stream = await connect();
    await stream.reset();
    stream.start({ messages: 10, bytes: 1e6 });
    const waiting = fails(stream.available(20_000), 'ConsumerMissing', /deleted/);
    await site.deleteDurable(B);
    await waiting;
    await fails(stream.available(0), 'ConsumerMissing');
  });

  it('refuses a durable that acknowledges one message at a time', async () => {
    await site.deleteDurable(B);
    const connection = await site.connect();
    const jsm = await connection.jetstreamManager();
    await jsm.consumers.add(STREAM, {
      durable_name: DURABLE,
      ack_policy: 'explicit' as never,
      filter_subject: SYNC_SUBJECT,
    });
    await fails((await connect()).reset(), 'ConsumerMissing', /ack policy/);
    await connection.close();
  });

  it('ends at once when its key is revoked, and reports KeyRefused when it tries again', async () => {
    const stream = await connect();
    await stream.reset();
    stream.start({ messages: 10, bytes: 1e6 });
    const waiting = fails(stream.available(20_000), 'Unreachable', /closed the connection/);
    await site.revokeAccess(B);
    await waiting;
    await fails(connect(), 'KeyRefused', new RegExp(key.getPublicKey()), /administrator of hospital-a/);
  });

  it('names a permission that is missing', async () => {
    await fails(
      (await connect({ durable: 'lfh-sync-other' })).reset(),
      'PermissionDenied',
      /MSG\.NEXT\.EVENTS\.lfh-sync-other/,
    );
    const stream = await connect({ inboxPrefix: '_INBOX.somebody' });
    stream.start({ messages: 10, bytes: 1e6 });
    await fails(stream.available(10_000), 'PermissionDenied', /subscribe to _INBOX\.somebody/);
  });

  it('ends as Unreachable when the server stops, and not as a missing durable', async () => {
    for (let round = 0; round < 3; round += 1) {
      const stream = await connect();
      stream.start({ messages: 10, bytes: 1e6 });
      await Promise.all([fails(stream.available(20_000), 'Unreachable', new RegExp(site.nats.host)), site.nats.stop()]);
      await fails(connect(), 'Unreachable', /nothing listens/);
      await site.nats.start();
    }
  });

  it('ends when the server is killed in the middle of a request', async () => {
    const stream = await connect();
    await site.nats.process.pause();
    await Promise.all([fails(stream.reset(), 'Unreachable'), site.nats.kill()]);
    await site.nats.start();
  });

  it('ends when the server falls silent', async () => {
    const stream = await connect({ pull: { maxBatch: 10, expiresMs: 900 } });
    stream.start({ messages: 10, bytes: 1e6 });
    await stream.available(100);
    const silent = fails(stream.available(20_000), 'Unreachable', /silent/);
    await site.nats.process.pause();
    await silent.finally(() => site.nats.process.resume());
  });

  it('acks nothing and throws nothing after its end', async () => {
    await site.announce(texts(1, 2));
    const stream = await connect();
    stream.start({ messages: 10, bytes: 1e6 });
    const [message] = await receive(stream, 2);
    await stream.close();
    message?.ack();
    await fails(stream.available(1000), 'Unreachable', /closed by us/);
    await stream.close();
  });
});

describe("a peer's stream on a nats-server that cannot reset", function () {
  this.timeout(240_000);
  let site: Site;
  before(async () => {
    site = await Site.start('hospital-old', { kafka: false, natsVersion: 'beforeReset' });
  });
  after(() => site.stop());

  it('reports that at once, pulls all the same, and reports a missing durable', async () => {
    const key = createUser();
    await site.grantAccess({ lfhId: B, publicKey: key.getPublicKey() });
    await site.announce(texts(1, 100));
    const options = {
      server: site.nats.url,
      seed: key.getSeed(),
      ca: site.ca.ca,
      stream: STREAM,
      durable: DURABLE,
      inboxPrefix: inboxPrefix(DURABLE),
      name: 'lfh-sync test',
      owner: 'hospital-old',
      log: pino({ level: 'silent' }),
    };
    const stream = await openPeerStream(options);
    assert.equal(await soonerThan(5_000, 'it is known that it cannot', stream.reset()), undefined);
    assert.equal(await soonerThan(5_000, 'it is known that it cannot', stream.reset(10)), undefined);
    stream.start({ messages: 50, bytes: 1e6 });
    const all = await receive(stream, 100);
    assert.deepEqual(all.map(textOf), texts(1, 100).map(String));
    all.at(-1)?.ack();
    await until('the ack arrived', async () => (await site.durableInfo(B)).ack_floor.stream_seq === 100);
    await stream.close();

    await site.deleteDurable(B);
    const second = await openPeerStream(options);
    await fails(second.reset(), 'ConsumerMissing', /administrator of hospital-old/);
    await second.close();
  });
});

function counts(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

function texts(from: number, to: number, size = 0): Buffer[] {
  return counts(from, to).map((count) => Buffer.from(String(count).padEnd(size)));
}

function textOf({ payload }: Delivered): string {
  return Buffer.from(payload).toString();
}

/** Takes messages until there are `count`, and up to `atMost`. */
async function receive(stream: OpenPeerStream, count: number, atMost = count): Promise<Delivered[]> {
  const all: Delivered[] = [];
  const deadline = performance.now() + 30_000;
  while (all.length < count && performance.now() < deadline) {
    await stream.available(500);
    all.push(...stream.take({ messages: atMost, bytes: 1e9 }));
  }
  assert.ok(all.length >= count && all.length <= atMost, `${all.length} messages came`);
  return all;
}

async function fails(promise: Promise<unknown>, reason: Reason, ...says: RegExp[]): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof TransientError, String(error));
    assert.equal(error.reason, reason, error.message);
    for (const pattern of says) assert.match(error.message, pattern);
    return true;
  });
}

import assert from 'node:assert/strict';
import { createUser } from 'nkeys.js';
import { pino } from 'pino';
import { APP_SYNC_SUBJECT } from '../../../common/contract/names.ts';
import type { Reason } from '../../../common/contract/reasons.ts';
import { TransientError } from '../../../common/errors.ts';
import { type LocalNats, type LocalNatsOptions, openLocalNats } from '../../../sidecar/nats/local-nats.ts';
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
      seed: Buffer.from(site.own.seed),
      ca: site.ca.ca,
      subject: APP_SYNC_SUBJECT,
      inboxPrefix: '_INBOX.lfh-sync',
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
    await until('the announcer is connected', () => made.announce([]).then(() => true));
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
    // On a busy machine both are slower, so that only their relation says something.
    const oneByOne = await duration(async () => {
      for (const message of messages(8001, 8400, 2400)) await made.announce([message]);
    });
    await site.recreateStream();
    const backlog = messages(1, 8000, 2400);
    const together = await duration(() => made.announce(backlog));
    assert.ok(together < (oneByOne * 8000) / 400 / 3, `${together} ms, and 400 of them one by one ${oneByOne} ms`);
    const connection = await site.connect();
    const { state } = await (await connection.jetstreamManager()).streams.info('EVENTS');
    assert.equal(state.messages, 8000);
    await connection.close();
  });

  it('reports how many messages are larger than the server accepts, and announces the others', async () => {
    const made = announcer();
    await connected(made);
    const huge = { id: 'huge', payload: Buffer.alloc(2_000_000) };
    await fails(
      made.announce([...messages(1, 2), huge, ...messages(3, 4)]),
      'PermissionDenied',
      /^1 message.*max_payload/,
    );
    assert.equal((await stored()).length, 4);
  });

  it('accepts a message of exactly the size that the server accepts', async () => {
    const made = announcer();
    await connected(made);
    const id = 'x'.repeat(40);
    await made.announce([{ id, payload: Buffer.alloc(1024 * 1024 - 27 - id.length) }]);
    await fails(made.announce([{ id, payload: Buffer.alloc(1024 * 1024 - 26 - id.length) }]), 'PermissionDenied');
  });

  it('reports that no stream has its subject', async () => {
    const made = announcer({ subject: 'NOBODY.listens' });
    await connected(made);
    await fails(made.announce(messages(1, 3)), 'Unreachable', /no stream that takes NOBODY\.listens/);
  });

  it('fails at once while the server is down, and works again when it is back', async () => {
    const made = announcer();
    await connected(made);
    await site.nats.stop();
    await until('it noticed', () =>
      made.announce([]).then(
        () => false,
        () => true,
      ),
    );
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
    await until('it tried', () =>
      made.announce([]).then(
        () => false,
        (error: TransientError) => error.reason === 'KeyRefused',
      ),
    );
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

async function duration(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

async function fails(promise: Promise<unknown>, reason: Reason, ...says: RegExp[]): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof TransientError, String(error));
    assert.equal(error.reason, reason, error.message);
    for (const pattern of says) assert.match(error.message, pattern);
    return true;
  });
}

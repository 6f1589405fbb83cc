import assert from 'node:assert/strict';
import { join } from 'node:path';
import { syncName } from '../../../common/contract/names.ts';
import { until } from '../../kit/processes/process.ts';
import { SidecarProcess } from '../../kit/processes/sidecar.ts';
import { replayedUuids } from '../../kit/servers/topic-reader.ts';
import { MessageLedger } from '../../kit/sites/message-ledger.ts';
import { Site } from '../../kit/sites/site.ts';
import { ACK_WAIT_MS } from '../short-ack-wait-main.ts';

const SHORT_ACK_WAIT = join(import.meta.dirname, '..', 'short-ack-wait-main.ts');

describe('a peer whose nats-server cannot reset (2.12)', () => {
  let a: Site;
  let b: Site;
  const running: SidecarProcess[] = [];
  const ledger = new MessageLedger();

  before(async () => {
    [a, b] = await Promise.all([
      Site.start('hospital-a', { kafka: false, natsVersion: 'beforeReset' }),
      Site.start('hospital-b'),
    ]);
    await a.grantAccess(b, ACK_WAIT_MS);
  });

  afterEach(() => Promise.all(running.splice(0).map((sidecar) => sidecar.stop())));
  after(() => Promise.all([a.stop(), b.stop()]));

  async function start(site = a): Promise<SidecarProcess> {
    const settings = { LFH_SYNC_BATCH_MAX_MESSAGES: '50' };
    const sidecar = await SidecarProcess.start(b, { peers: [{ site }], settings, main: SHORT_ACK_WAIT });
    running.push(sidecar);
    return sidecar;
  }

  /** Pulls as a sidecar would that is killed before it acknowledges anything. */
  async function handOut(site: Site, count: number): Promise<void> {
    const dead = await site.connectAs(b);
    const durable = syncName(b.lfhId);
    const inbox = `_INBOX.${durable}.dead`;
    let handedOut = 0;
    dead.subscribe(inbox, { callback: (_error, { data }) => void (handedOut += data.length > 0 ? 1 : 0) });
    const pull = { batch: count, expires: 4_000_000_000 };
    dead.publish(`$JS.API.CONSUMER.MSG.NEXT.EVENTS.${durable}`, JSON.stringify(pull), { reply: inbox });
    await until(`${count} messages are handed out`, () => handedOut === count);
    await dead.close();
  }

  it('is replayed, and goes on without gaps after an orderly restart', async () => {
    await ledger.send(a, 100);
    const first = await start();
    await ledger.arrivedOnce(b);
    await ledger.acknowledged(a, b);
    await running.splice(0)[0]?.stop();
    await ledger.send(a, 100);
    const second = await start();
    await ledger.arrivedOnce(b);
    assert.equal((await second.peer(a)).gaps, 0);
    assert.equal(first.process.running, false);
  });

  it('is replayed once and in order after messages were handed out and never acknowledged', async () => {
    await ledger.acknowledged(a, b);
    await ledger.send(a, 100);
    // A sidecar that died was handed these: they come back later, behind what is sent meanwhile.
    await handOut(a, 60);
    const sidecar = await start();
    await ledger.send(a, 20);
    await ledger.arrivedOnce(b, 60_000);
    assert.ok((await sidecar.peer(a)).gaps > 0);
  });

  it('is replayed once and in order after an attempt took some of what was outstanding, which comes behind the rest', async () => {
    await ledger.acknowledged(a, b);
    await running.splice(0)[0]?.stop();
    await ledger.send(a, 4_000);
    await handOut(a, 4_000);
    // There are no newer ones, so these are the first of them, as soon as they are due again.
    await handOut(a, 30);
    await start();
    await ledger.arrivedOnce(b, 60_000);
  });

  it('is replayed from the start when its stream was recreated, which the time stamps show', async () => {
    const c = await Site.start('hospital-c', { kafka: false, natsVersion: 'beforeReset' });
    try {
      await c.grantAccess(b, ACK_WAIT_MS);
      const before = await ledger.send(c, 30);
      const sidecar = await start(c);
      await ledger.arrivedOnce(b);
      await c.recreateStream();
      const after = await ledger.send(c, 10);
      await sidecar.waitForPeer(c, 'has noticed', ({ streamRecreated }) => streamRecreated > 0, 60_000);
      await ledger.arrivedOnce(b, 60_000);
      assert.equal(before.length + after.length, 40);
    } finally {
      await c.stop();
    }
  });

  it('is replayed without a loss and without a repeat when its store was put back from an older copy', async () => {
    const e = await Site.start('hospital-e', { kafka: false, natsVersion: 'beforeReset' });
    try {
      await e.grantAccess(b, ACK_WAIT_MS);
      await ledger.send(e, 5);
      await start(e);
      await ledger.arrivedOnce(b);
      await ledger.acknowledged(e, b);
      const copy = await e.copyStore();
      await ledger.send(e, 5);
      await ledger.arrivedOnce(b);
      await e.putStoreBack(copy);
      await ledger.send(e, 20);
      await ledger.arrivedOnce(b, 90_000);
    } finally {
      await e.stop();
    }
  });

  it('is not replayed without a position when its durable was used before', async () => {
    const d = await Site.start('hospital-d', { kafka: false, natsVersion: 'beforeReset' });
    try {
      await d.grantAccess(b, ACK_WAIT_MS);
      const uuids = await new MessageLedger().send(d, 20);
      await handOut(d, 1);
      const sidecar = await start(d);
      const { message } = await sidecar.waitForPeer(d, 'has no position', ({ reason }) => reason === 'PositionLost');
      assert.match(message, /its durable has delivered messages before/);
      assert.deepEqual(
        (await replayedUuids(b.kafka)).filter((uuid) => uuids.includes(uuid)),
        [],
      );
    } finally {
      await d.stop();
    }
  });
});

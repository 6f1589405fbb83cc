import assert from 'node:assert/strict';
import { syncName } from '../../common/contract/names.ts';
import { Storm } from '../chaos/storm.ts';
import { SidecarProcess } from '../servers/sidecar-process.ts';
import { Site } from '../servers/site.ts';
import { replayedUuids } from '../servers/topic-reader.ts';

describe('a peer whose nats-server cannot reset (2.12)', () => {
  let a: Site;
  let b: Site;
  const running: SidecarProcess[] = [];
  const storm = new Storm();

  before(async () => {
    [a, b] = await Promise.all([
      Site.start('hospital-a', { kafka: false, natsVersion: 'beforeReset' }),
      Site.start('hospital-b'),
    ]);
    await a.admit(b);
  });

  afterEach(() => Promise.all(running.splice(0).map((sidecar) => sidecar.stop())));
  after(() => Promise.all([a.stop(), b.stop()]));

  async function start(site = a): Promise<SidecarProcess> {
    const settings = { LFH_SYNC_BATCH_MAX_MESSAGES: '50' };
    const sidecar = await SidecarProcess.start(b, { peers: [{ site }], settings });
    running.push(sidecar);
    return sidecar;
  }

  it('is replayed, and goes on at once after an orderly restart', async () => {
    await storm.send(a, 100);
    const first = await start();
    await storm.arrivedOnce(b);
    await storm.acknowledged(a, b);
    await running.splice(0)[0]?.stop();
    await storm.send(a, 100);
    const second = await start();
    await storm.arrivedOnce(b, 15_000);
    assert.equal((await second.peer(a)).gaps, 0);
    assert.equal(first.process.running, false);
  });

  it('is replayed once and in order after messages were handed out and never acknowledged', async () => {
    await storm.acknowledged(a, b);
    await storm.send(a, 100);
    // A sidecar that died was handed these: they come back 30 s later, behind what is sent meanwhile.
    const dead = await a.connectAs(b);
    const durable = syncName(b.lfhId);
    let handedOut = 0;
    const inbox = `_INBOX.${durable}.dead`;
    await new Promise<void>((resolve) => {
      dead.subscribe(inbox, {
        callback: () => {
          handedOut += 1;
          if (handedOut === 60) resolve();
        },
      });
      const pull = { batch: 60, expires: 4_000_000_000 };
      dead.publish(`$JS.API.CONSUMER.MSG.NEXT.EVENTS.${durable}`, JSON.stringify(pull), { reply: inbox });
    });
    await dead.close();
    const sidecar = await start();
    await storm.send(a, 20);
    await storm.arrivedOnce(b, 150_000);
    assert.ok((await sidecar.peer(a)).gaps > 0);
  });

  it('whose stream was made anew is known by the time stamps, and replayed anew', async () => {
    const c = await Site.start('hospital-c', { kafka: false, natsVersion: 'beforeReset' });
    try {
      await c.admit(b);
      const before = await storm.send(c, 30);
      const sidecar = await start(c);
      await storm.arrivedOnce(b);
      await c.recreateStream();
      const after = await storm.send(c, 10);
      await sidecar.peerBecomes(c, 'has noticed', ({ streamRecreated }) => streamRecreated > 0, 100_000);
      await storm.arrivedOnce(b, 150_000);
      assert.equal(before.length + after.length, 40);
    } finally {
      await c.stop();
    }
  });

  it('without a position, although its durable was used before, replays nothing', async () => {
    const d = await Site.start('hospital-d', { kafka: false, natsVersion: 'beforeReset' });
    try {
      await d.admit(b);
      const uuids = await new Storm().send(d, 20);
      const somebody = await d.connectAs(b);
      const durable = syncName(b.lfhId);
      await somebody.request(`$JS.API.CONSUMER.MSG.NEXT.EVENTS.${durable}`, '{"batch": 1, "expires": 1000000000}');
      await somebody.close();
      const sidecar = await start(d);
      const { message } = await sidecar.peerBecomes(d, 'has no position', ({ reason }) => reason === 'PositionLost');
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

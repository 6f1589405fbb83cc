import assert from 'node:assert/strict';
import { positionTopic, syncName } from '../../../common/contract/names.ts';
import { until } from '../../kit/processes/process.ts';
import { SidecarProcess } from '../../kit/processes/sidecar.ts';
import { replayedUuids } from '../../kit/servers/topic-reader.ts';
import { MessageLedger } from '../../kit/sites/message-ledger.ts';
import { Site } from '../../kit/sites/site.ts';

describe('a take-over', () => {
  let b: Site;
  const origins: Site[] = [];
  const running: SidecarProcess[] = [];

  before(async () => {
    b = await Site.start('hospital-b');
  });

  afterEach(async () => {
    await Promise.all(running.splice(0).map((sidecar) => sidecar.stop()));
    await Promise.all(origins.splice(0).map((site) => site.stop()));
  });

  after(() => b.stop());

  /** Each test has a new peer, so that no test depends on another. */
  async function newOrigin(lfhId: string): Promise<Site> {
    const origin = await Site.start(lfhId, { kafka: false });
    origins.push(origin);
    await origin.grantAccess(b);
    return origin;
  }

  async function start(site: Site, overrides: Record<string, unknown> = {}): Promise<SidecarProcess> {
    const sidecar = await SidecarProcess.start(b, { peers: [{ site, overrides }] });
    running.push(sidecar);
    return sidecar;
  }

  async function stop(sidecar: SidecarProcess): Promise<void> {
    running.splice(running.indexOf(sidecar), 1);
    await sidecar.stop();
  }

  async function deletePosition(site: Site): Promise<void> {
    const admin = b.kafka.client().admin();
    await admin.connect();
    await admin.deleteTopics({ topics: [positionTopic(syncName(site.lfhId))] });
    await admin.disconnect();
  }

  async function arrived(origin: Site): Promise<number> {
    const ledger = await replayedFrom(origin);
    return ledger.length;
  }

  async function replayedFrom(origin: Site): Promise<string[]> {
    const found = new Set(sentBy.get(origin));
    return (await replayedUuids(b.kafka)).filter((uuid) => found.has(uuid));
  }

  const sentBy = new Map<Site, string[]>();

  async function send(origin: Site, count: number): Promise<void> {
    const uuids = await new MessageLedger().send(origin, count);
    sentBy.set(origin, [...(sentBy.get(origin) ?? []), ...uuids]);
  }

  async function allOnce(origin: Site): Promise<void> {
    const sent = sentBy.get(origin) ?? [];
    await until('all has arrived', async () => (await arrived(origin)) >= sent.length, 30_000, 200);
    assert.deepEqual(await replayedFrom(origin), sent);
  }

  it('replays nothing when the position was deleted, and asks a person to decide', async () => {
    const origin = await newOrigin('lost');
    await send(origin, 20);
    const first = await start(origin);
    await allOnce(origin);
    await until('all is acknowledged', async () => (await origin.durableInfo(b.lfhId)).num_ack_pending === 0);
    await stop(first);
    await deletePosition(origin);
    const { ack_floor } = await origin.durableInfo(b.lfhId);
    const uuids = await new MessageLedger().send(origin, 5);
    const second = await start(origin);
    const { message } = await second.waitForPeer(
      origin,
      'has lost its position',
      ({ reason }) => reason === 'PositionLost',
    );
    assert.match(message, /Restore the LFH_SYNC_POSITION topic/);
    assert.deepEqual(
      (await replayedUuids(b.kafka)).filter((uuid) => uuids.includes(uuid)),
      [],
    );
    assert.deepEqual((await origin.durableInfo(b.lfhId)).ack_floor.stream_seq, ack_floor.stream_seq);
  });

  it('replays what is left when the first messages have expired', async () => {
    const origin = await newOrigin('expired');
    await new MessageLedger().send(origin, 10);
    await origin.purge(11);
    await origin.deleteDurable(b.lfhId);
    await send(origin, 10);
    await origin.createDurable(b.lfhId);
    await start(origin);
    await allOnce(origin);
  });

  it('replays the whole new stream when it was recreated while the sidecar ran, and counts it', async () => {
    const origin = await newOrigin('recreated');
    await send(origin, 30);
    const sidecar = await start(origin);
    await allOnce(origin);
    await origin.recreateStream();
    await send(origin, 10);
    const { streamRecreated } = await sidecar.waitForPeer(
      origin,
      'has noticed',
      (status) => status.streamRecreated === 1 && status.reason === 'Replaying',
    );
    assert.equal(streamRecreated, 1);
    await send(origin, 30);
    await allOnce(origin);
  });

  it('replays the whole new stream when it was recreated while the sidecar was down', async () => {
    const origin = await newOrigin('recreated-unseen');
    await send(origin, 5);
    const first = await start(origin);
    await allOnce(origin);
    await stop(first);
    await origin.recreateStream();
    await send(origin, 20);
    await start(origin);
    await allOnce(origin);
  });

  it('tells that a stream was recreated before it has a message', async () => {
    const origin = await newOrigin('recreated-empty');
    await send(origin, 5);
    const first = await start(origin);
    await allOnce(origin);
    await stop(first);
    await origin.recreateStream();
    const second = await start(origin);
    await second.waitForPeer(origin, 'has noticed', ({ streamRecreated }) => streamRecreated === 1);
    await send(origin, 5);
    await allOnce(origin);
    assert.equal((await second.peer(origin)).streamRecreated, 1);
  });

  it('goes on from the position when the durable was recreated', async () => {
    const origin = await newOrigin('durable');
    await send(origin, 20);
    const sidecar = await start(origin);
    await allOnce(origin);
    await origin.deleteDurable(b.lfhId);
    await sidecar.waitForPeer(origin, 'misses its durable', ({ reason }) => reason === 'ConsumerMissing');
    await send(origin, 5);
    await origin.createDurable(b.lfhId);
    await allOnce(origin);
  });

  it('leaves out earlier messages with startFrom Latest, also after a restart', async () => {
    const origin = await newOrigin('latest');
    await new MessageLedger().send(origin, 10);
    const first = await start(origin, { startFrom: { policy: 'Latest' } });
    await first.waitUntilReplaying(origin);
    await send(origin, 5);
    await allOnce(origin);
    await stop(first);
    await send(origin, 5);
    const second = await start(origin, { startFrom: { policy: 'Latest' } });
    await allOnce(origin);
    const { skipped } = await second.peer(origin);
    assert.equal(skipped.BeforeStart, 0);
  });

  it('leaves out older messages with startFrom Time', async () => {
    const origin = await newOrigin('time');
    await new MessageLedger().send(origin, 10);
    const time = new Date(Date.now() + 1).toISOString();
    await until('the clock has moved on', () => new Date().toISOString() > time);
    await send(origin, 5);
    const sidecar = await start(origin, { startFrom: { policy: 'Time', time } });
    await allOnce(origin);
    await sidecar.waitForPeer(origin, 'has counted the older ones', ({ skipped }) => skipped.BeforeStart === 10);
  });

  it('waits while the peer is paused', async () => {
    const origin = await newOrigin('paused');
    const sidecar = await start(origin, { paused: true });
    await send(origin, 5);
    await sidecar.waitForPeer(origin, 'is paused', ({ reason }) => reason === 'Paused');
    assert.equal((await origin.durableInfo(b.lfhId)).delivered.consumer_seq, 0);
    await sidecar.configure([{ site: origin }]);
    await allOnce(origin);
    await sidecar.configure([{ site: origin, overrides: { paused: true } }]);
    await sidecar.waitForPeer(origin, 'is paused', ({ reason }) => reason === 'Paused');
  });

  it('is not misled by pulls that somebody else has parked on the durable', async () => {
    const origin = await newOrigin('zombie');
    const zombie = await origin.connectAs(b);
    const durable = syncName(b.lfhId);
    let swallowed = 0;
    const inbox = `_INBOX.${durable}.zombie`;
    zombie.subscribe(inbox, { callback: (_error, message) => void (swallowed += message.data.length > 0 ? 1 : 0) });
    const park = (): void => {
      const pull = { batch: 40, expires: 4_500_000_000 };
      zombie.publish(`$JS.API.CONSUMER.MSG.NEXT.EVENTS.${durable}`, JSON.stringify(pull), { reply: inbox });
    };
    const sidecar = await start(origin);
    await sidecar.waitUntilReplaying(origin);
    for (let round = 0; round < 3; round += 1) {
      park();
      await zombie.flush();
      await send(origin, 90);
    }
    await allOnce(origin);
    const { gaps } = await sidecar.peer(origin);
    assert.ok(swallowed > 0, 'the zombie got messages');
    assert.ok(gaps > 0, 'and that was noticed');
  });
});

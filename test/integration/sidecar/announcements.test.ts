import assert from 'node:assert/strict';
import type { AnnounceStatus } from '../../../common/contract/announce-status.ts';
import { ANNOUNCE_STATE_TOPIC, announceGroup, SYNC_TOPIC } from '../../../common/contract/names.ts';
import { until } from '../../kit/processes/process.ts';
import { SidecarProcess } from '../../kit/processes/sidecar.ts';
import { type ReadRecord, readTopic } from '../../kit/servers/topic-reader.ts';
import { connectMessage } from '../../kit/sites/connect-message.ts';
import { MessageLedger } from '../../kit/sites/message-ledger.ts';
import { Site } from '../../kit/sites/site.ts';

describe('the announcements on the local EVENTS.app_sync', function () {
  this.timeout(240_000);
  let a: Site;
  let b: Site;
  const running: SidecarProcess[] = [];
  const ledger = new MessageLedger();

  before(async () => {
    const properties = { 'num.partitions': '3' };
    [a, b] = await Promise.all([
      Site.start('hospital-a', { kafka: false }),
      Site.start('hospital-b', { kafkaProperties: properties, natsConfig: 'max_payload: 600KB' }),
    ]);
    await a.grantAccess(b);
  });

  after(() => Promise.all([a.stop(), b.stop()]));

  afterEach(() => Promise.all(running.splice(0).map((sidecar) => sidecar.stop())));

  async function start(settings: Record<string, string> = {}): Promise<SidecarProcess> {
    const sidecar = await SidecarProcess.start(b, { peers: [{ site: a }], settings });
    running.push(sidecar);
    return sidecar;
  }

  async function waitFor(
    sidecar: SidecarProcess,
    what: string,
    wanted: (status: AnnounceStatus) => boolean,
  ): Promise<AnnounceStatus> {
    let last: AnnounceStatus | undefined;
    const condition = async (): Promise<boolean> => {
      last = (await sidecar.status()).announce;
      return last !== undefined && wanted(last);
    };
    await until(`the announcements: ${what}`, condition, 60_000, 50).catch((error: Error) => {
      throw new Error(`${error.message}; they are ${JSON.stringify(last)}`, { cause: error });
    });
    return last as AnnounceStatus;
  }

  async function metric(sidecar: SidecarProcess, name: string): Promise<number | undefined> {
    const found = new RegExp(`^${name.replace(/[{}]/g, '\\$&')} (\\S+)$`, 'm').exec(await sidecar.metrics())?.[1];
    return found === undefined ? undefined : Number(found);
  }

  it('are none where LFH_SYNC_ANNOUNCE is false, and nothing in Kafka remembers any', async () => {
    const sidecar = await start({ LFH_SYNC_ANNOUNCE: 'false' });
    await ledger.send(a, 20);
    await ledger.arrivedOnce(b);
    assert.equal((await sidecar.status()).announce, undefined);
    assert.doesNotMatch(await sidecar.metrics(), /lfh_sync_announce/);
    assert.deepEqual(await b.appSync(), []);
    const admin = b.kafka.client().admin();
    await admin.connect();
    assert.ok(!(await admin.listTopics()).includes(ANNOUNCE_STATE_TOPIC));
    assert.ok(!(await admin.listGroups()).groups.some(({ groupId }) => groupId === announceGroup('local')));
    await admin.disconnect();
  });

  it('are those of the very first messages of a new node too, in order, with the bytes that the peer announced', async () => {
    await ledger.send(a, 500);
    const sidecar = await start();
    await ledger.announcedOnce(b);
    const { owned, reason } = await waitFor(sidecar, 'are all done', ({ lag }) => lag === 0);
    assert.deepEqual([owned, reason], [true, 'Announcing']);
    assert.equal(await metric(sidecar, 'lfh_sync_announced_total'), 520);
    assert.equal(await metric(sidecar, 'lfh_sync_announce_up'), 1);
    const [first] = await b.appSync();
    assert.match(first?.id ?? '', /^LFH_SYNC:\d+:\d+:\d+$/);
  });

  it('wait in Kafka while the local NATS is down, also over a restart, and the replay does not wait', async () => {
    let sidecar = await start();
    await waitFor(sidecar, 'are taken over', ({ reason }) => reason === 'Announcing');
    await b.nats.kill();
    await ledger.send(a, 700);
    await ledger.arrivedOnce(b);
    const status = await waitFor(
      sidecar,
      'wait',
      ({ reason, lag }) => reason === 'LocalNatsFails' && Number(lag) >= 700,
    );
    assert.match(status.message, /nothing is lost.*this node's NATS/);
    assert.equal(await metric(sidecar, 'lfh_sync_announce_up'), 0);
    assert.ok(Number(await metric(sidecar, 'lfh_sync_announce_lag')) >= 700);
    await sidecar.kill();
    running.splice(0);
    sidecar = await start();
    await ledger.send(a, 300);
    await ledger.arrivedOnce(b);
    await waitFor(sidecar, 'wait', ({ reason }) => reason === 'LocalNatsFails');
    await b.nats.start();
    await ledger.announcedOnce(b);
    await waitFor(sidecar, 'are all done', ({ reason, lag }) => reason === 'Announcing' && lag === 0);
    assert.equal(await metric(sidecar, 'lfh_sync_announce_up'), 1);
  });

  it('are each there once when the local NATS is killed and started again in the middle', async () => {
    await start();
    let over = false;
    const sending = ledger.sendUntil(a, () => over);
    for (let round = 0; round < 3; round += 1) {
      const before = await b.streamMessages();
      await until('some are announced', async () => (await b.streamMessages()) > before + 200);
      await b.nats.kill();
      await b.nats.start();
    }
    over = true;
    await sending;
    await ledger.arrivedOnce(b);
    await ledger.announcedOnce(b);
  });

  it('go on with another sidecar when the one that announced is killed', async () => {
    const sidecars = [await start(), await start()];
    const owner = async (): Promise<SidecarProcess | undefined> => {
      const statuses = await Promise.all(sidecars.map(async (sidecar) => (await sidecar.status()).announce));
      const owners = sidecars.filter((_sidecar, index) => statuses[index]?.owned);
      return statuses.every((status) => status?.reason === 'Announcing' || status?.reason === 'NotOwned')
        ? owners[0]
        : undefined;
    };
    await until('one announces', async () => (await owner()) !== undefined);
    const doomed = (await owner()) as SidecarProcess;
    const other = sidecars.find((sidecar) => sidecar !== doomed) as SidecarProcess;
    assert.equal(await metric(other, 'lfh_sync_announce_up'), undefined);
    await ledger.send(a, 600);
    await doomed.kill();
    running.splice(running.indexOf(doomed), 1);
    await ledger.arrivedOnce(b);
    await ledger.announcedOnce(b);
    assert.equal((await other.status()).announce?.owned, true);
  });

  it('that can never be made are counted as lost, each by its reason, and the others go on', async () => {
    const sidecar = await start();
    await waitFor(sidecar, 'are taken over', ({ lag }) => lag === 0);
    const before = (await b.appSync()).length;
    const content = { resourceType: 'Patient', text: { div: 'x'.repeat(500_000) } };
    const large = connectMessage({ lfhId: a.lfhId, content }).payload;
    const small = connectMessage({ lfhId: a.lfhId, content: { resourceType: 'Patient' } }).payload;
    await a.announce([large, small]);
    const { lost } = await waitFor(sidecar, 'lost one', (status) => status.lost.TooLarge === 1 && status.lag === 0);
    assert.deepEqual(lost, { Expired: 0, TooLarge: 1 });
    assert.match(await sidecar.log(), /larger than max_payload of this node's NATS/);
    assert.equal(await metric(sidecar, 'lfh_sync_announcements_lost_total{reason="TooLarge"}'), 1);
    await until('the other is announced', async () => (await b.appSync()).length > before);
    assert.equal((await b.appSync()).length, before + 1);

    await b.nats.stop();
    await a.announce([small, small, small]);
    await waitFor(sidecar, 'wait', ({ reason }) => reason === 'LocalNatsFails');
    const isSmall = ({ value }: ReadRecord): boolean => value.equals(small);
    const replayed = async (): Promise<number> => (await readTopic(b.kafka, SYNC_TOPIC)).filter(isSmall).length;
    await until('they are all replayed, as the one before', async () => (await replayed()) === 4);
    const doomed = running.pop();
    await doomed?.stop();
    const records = await readTopic(b.kafka, SYNC_TOPIC);
    const newest = records.findLast(isSmall);
    assert.ok(newest);
    const admin = b.kafka.client().admin();
    await admin.connect();
    const { partition, offset } = newest;
    // Without having asked for the topic, kafkajs does not know its leaders.
    await admin.fetchTopicOffsets(SYNC_TOPIC);
    await admin.deleteTopicRecords({ topic: SYNC_TOPIC, partitions: [{ partition, offset }] });
    await admin.disconnect();
    await b.nats.start();
    const heir = await start();
    const status = await waitFor(heir, 'are all done', ({ announced, lag }) => announced === 1 && lag === 0);
    assert.ok(status.lost.Expired >= 2, JSON.stringify(status.lost));
    assert.equal(await metric(heir, 'lfh_sync_announcements_lost_total{reason="Expired"}'), status.lost.Expired);
    assert.equal((await b.appSync()).length, before + 2);
  });
});

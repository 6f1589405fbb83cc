import assert from 'node:assert/strict';
import { syncName } from '../../../common/contract/names.ts';
import { until } from '../../kit/processes/process.ts';
import { SidecarProcess } from '../../kit/processes/sidecar.ts';
import { replayedUuids } from '../../kit/servers/topic-reader.ts';
import { MessageLedger } from '../../kit/sites/message-ledger.ts';
import { Site } from '../../kit/sites/site.ts';

/**
 * A stream that has the name and the identity of the one that was replayed, and not its messages. What has happened to it is
 * what happens to the disks of a hospital: a copy is put back, a power cut takes the end.
 */
describe('a take-over of a stream that is not what it was', () => {
  let b: Site;
  let peers = 0;
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

  /** Each test has a new peer, with five messages that are replayed, and of which there is a copy. */
  async function newPeer(): Promise<{ a: Site; sidecar: SidecarProcess; sent: string[]; copy: string }> {
    peers += 1;
    const a = await Site.start(`peer-${peers}`, { kafka: false });
    origins.push(a);
    await a.grantAccess(b);
    const sidecar = await SidecarProcess.start(b, { peers: [{ site: a }] });
    running.push(sidecar);
    const sent = await new MessageLedger().send(a, 5);
    await arrived(sent);
    const copy = await a.copyStore();
    return { a, sidecar, sent, copy };
  }

  async function send(a: Site, count: number): Promise<string[]> {
    return new MessageLedger().send(a, count);
  }

  async function replayed(uuids: readonly string[]): Promise<string[]> {
    return (await replayedUuids(b.kafka)).filter((uuid) => uuids.includes(uuid));
  }

  /** All of them are there, once and in this order. */
  async function arrived(uuids: readonly string[]): Promise<void> {
    await until('all has arrived', async () => (await replayed(uuids)).length >= uuids.length, 60_000, 200);
    assert.deepEqual(await replayed(uuids), uuids);
  }

  /** The person who decides needs the position, also of a sidecar that has only just started. */
  async function diverged(sidecar: SidecarProcess, a: Site): Promise<string> {
    const { message, position } = await sidecar.waitForPeer(
      a,
      'has diverged',
      ({ reason }) => reason === 'StreamDiverged',
      60_000,
    );
    assert.equal(position?.sequence, Number(/ message (\d+) of /.exec(message)?.[1]), message);
    return message;
  }

  it('replays nothing of a store that was put back from an older copy, and goes on as a person decides', async () => {
    const { a, sidecar, sent, copy } = await newPeer();
    const lost = await send(a, 5);
    await arrived(lost);
    await a.putStoreBack(copy);
    const fresh = await send(a, 3);
    const message = await diverged(sidecar, a);
    assert.match(
      message,
      /does not have message 10 of \d{4}-.*, which is the last that was replayed here, but 8 others, from message 1 of/,
    );
    assert.match(message, /set spec\.receive\.restart to position 10/);
    assert.deepEqual(await replayed(fresh), []);
    const { ack_floor } = await a.durableInfo(b.lfhId);
    assert.equal(ack_floor.stream_seq, 10, 'the sender sees by the floor that its stream is behind');

    const [, last = ''] = /message 10 of (\S+),/.exec(message) ?? [];
    const time = new Date(Date.parse(last) + 1).toISOString();
    const restart = (position: number) => ({ position, startFrom: { policy: 'Time', time } });
    await sidecar.configure([{ site: a, overrides: { restart: restart(9) } }]);
    await diverged(sidecar, a);
    assert.deepEqual(await replayed(fresh), [], 'a decision about another position does not count');
    await sidecar.configure([{ site: a, overrides: { restart: restart(10) } }]);
    await arrived([...sent, ...lost, ...fresh]);
    const later = await send(a, 10);
    await arrived([...sent, ...lost, ...fresh, ...later]);
  });

  it('replays nothing of a store that was put back and has grown beyond the position before anybody looked', async () => {
    const { a, sidecar, copy } = await newPeer();
    await arrived(await send(a, 5));
    await sidecar.stop();
    await a.putStoreBack(copy);
    const fresh = await send(a, 20);
    await sidecar.start();
    assert.match(await diverged(sidecar, a), /does not have message 10 .*, but 25 others/);
    assert.deepEqual(await replayed(fresh), []);
  });

  it('replays nothing of a store that was put back and has grown, where a message for others has the position', async () => {
    const { a, sidecar, copy } = await newPeer();
    await arrived(await send(a, 5));
    await sidecar.stop();
    await a.putStoreBack(copy);
    const fresh = await send(a, 4);
    // An application's announcement takes the sequence 10.
    await a.announce([Buffer.from('{}')], 'EVENTS.app_sync');
    fresh.push(...(await send(a, 20)));
    await sidecar.start();
    assert.match(await diverged(sidecar, a), /does not have message 10 .*, but 29 others/);
    assert.deepEqual(await replayed(fresh), []);
  });

  it('goes on where the message at the position was deleted, among others for us and for others', async () => {
    const { a, sidecar, sent } = await newPeer();
    await sidecar.stop();
    await a.announce([Buffer.from('{}')], 'EVENTS.app_sync');
    const later = await send(a, 5);
    await a.deleteMessage(5);
    await sidecar.start();
    await arrived([...sent, ...later]);
    assert.equal((await sidecar.peer(a)).streamRecreated, 0);
  });

  it('waits as it does for a message of which nobody knows, after a sequence that nobody has given', async () => {
    const { a, sidecar, copy } = await newPeer();
    const forged = 2 ** 50;
    await a.purge(forged);
    await arrived(await send(a, 1));
    assert.equal((await sidecar.peer(a)).position?.sequence, forged);
    await a.putStoreBack(copy);
    const fresh = await send(a, 2);
    assert.match(await diverged(sidecar, a), /does not have message 1125899906842624 of .*, but 7 others/);
    assert.deepEqual(await replayed(fresh), []);
  });

  it('begins anew with a store that was put back from a time when it was empty', async () => {
    const a = await Site.start('empty-copy', { kafka: false });
    origins.push(a);
    await a.grantAccess(b);
    const empty = await a.copyStore();
    const sidecar = await SidecarProcess.start(b, { peers: [{ site: a }] });
    running.push(sidecar);
    const sent = await send(a, 5);
    await arrived(sent);
    await a.putStoreBack(empty);
    const fresh = await send(a, 3);
    await arrived([...sent, ...fresh]);
    assert.equal((await sidecar.peer(a)).streamRecreated, 1);
  });

  it('goes on without a repeat after a backup was restored, which gives the stream another identity', async () => {
    const { a, sidecar, sent } = await newPeer();
    await a.restoreStream();
    const fresh = await send(a, 5);
    await arrived([...sent, ...fresh]);
    assert.equal((await sidecar.peer(a)).streamRecreated, 0);
  });

  it('asks a person where a backup was restored, and the message at the position is not there to prove it', async () => {
    const { a, sidecar, sent } = await newPeer();
    const later = await send(a, 5);
    await arrived([...sent, ...later]);
    await a.restoreStream();
    await a.deleteMessage(10);
    const fresh = await send(a, 3);
    await diverged(sidecar, a);
    assert.deepEqual(await replayed(fresh), []);
  });

  it('goes on when the message at the position has expired, with later ones and with none', async () => {
    const { a, sidecar, sent } = await newPeer();
    await sidecar.stop();
    const later = await send(a, 5);
    await a.purge(8);
    await sidecar.start();
    await arrived([...sent, ...later.slice(2)]);
    await a.purge(100);
    await sidecar.stop();
    await sidecar.start();
    await sidecar.waitUntilReplaying(a);
    const fresh = await send(a, 5);
    await arrived([...sent, ...later.slice(2), ...fresh]);
    assert.equal((await sidecar.peer(a)).streamRecreated, 0);
  });

  it('waits while the message at the position is deleted and is the last, and goes on by itself with the next', async () => {
    const { a, sidecar, sent } = await newPeer();
    await sidecar.stop();
    await a.deleteMessage(5);
    await sidecar.start();
    await diverged(sidecar, a);
    const fresh = await send(a, 2);
    await arrived([...sent, ...fresh]);
    assert.equal((await a.durableInfo(b.lfhId)).num_pending, 0, syncName(b.lfhId));
  });
});

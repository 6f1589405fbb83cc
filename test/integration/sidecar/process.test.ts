import assert from 'node:assert/strict';
import { until } from '../../kit/processes/process.ts';
import { SidecarProcess } from '../../kit/processes/sidecar.ts';
import { MessageLedger } from '../../kit/sites/message-ledger.ts';
import { Site } from '../../kit/sites/site.ts';

describe('a sidecar', () => {
  let a: Site;
  let b: Site;
  const running: SidecarProcess[] = [];
  const ledger = new MessageLedger();

  before(async () => {
    [a, b] = await Promise.all([Site.start('hospital-a', { kafka: false }), Site.start('hospital-b')]);
    await a.grantAccess(b);
  });

  afterEach(() => Promise.all(running.splice(0).map((sidecar) => sidecar.stop())));
  after(() => Promise.all([a.stop(), b.stop()]));

  async function start(settings: Record<string, string> = {}): Promise<SidecarProcess> {
    const sidecar = await SidecarProcess.start(b, { peers: [{ site: a }], settings });
    running.push(sidecar);
    return sidecar;
  }

  it('ends with 0 on SIGTERM, with everything committed that it had begun', async () => {
    const sidecar = await start();
    await sidecar.waitUntilReplaying(a);
    await ledger.send(a, 500);
    await sidecar.stop();
    assert.equal(await sidecar.process.exited(), 0);
    const heir = await start();
    await ledger.arrivedOnce(b);
    await ledger.acknowledged(a, b);
    assert.equal((await heir.peer(a)).skipped.AlreadyReplayed, 0);
  });

  it('ends with 2 at a setting that does not parse, and prints its name but not its value', async () => {
    const value = 'secret-in-the-wrong-place';
    await assert.rejects(start({ LFH_SYNC_BATCH_MAX_MESSAGES: value }), (error: Error) => {
      assert.match(error.message, /LFH_SYNC_BATCH_MAX_MESSAGES: expected a whole number from 1 to 10000/);
      assert.ok(!error.message.includes(value));
      return true;
    });
  });

  it("refuses to start where connect's own subscribers would replay the same messages", async () => {
    await assert.rejects(start({ NATS_SYNC_SUBSCRIBERS: '["tls://a:4222"]' }), /NATS_SYNC_SUBSCRIBERS: must be \[\]/);
  });

  it('keeps its last good settings when they become invalid, and reports it', async () => {
    const sidecar = await start();
    await sidecar.waitUntilReplaying(a);
    await sidecar.configure([{ site: a }], { LFH_SYNC_LOG_LEVEL: 'very loud' });
    const state = async (): Promise<string> => (await sidecar.status()).settings.state;
    await until('they are refused', async () => (await state()) === 'Refused');
    assert.match((await sidecar.status()).settings.message, /^LFH_SYNC_LOG_LEVEL: expected one of trace/);
    await ledger.send(a, 10);
    await ledger.arrivedOnce(b);
    await sidecar.configure([{ site: a }], { LFH_SYNC_LOG_LEVEL: 'trace', LFH_SYNC_MAX_TOPICS: '7' });
    await until('they are taken up', async () => (await state()) === 'RestartNeeded');
    assert.match(
      (await sidecar.status()).settings.message,
      /spec\.sidecar\.maxTopics \(LFH_SYNC_MAX_TOPICS\) take effect at the next start/,
    );
    await sidecar.waitUntilReplaying(a);
    await ledger.send(a, 1);
    await ledger.arrivedOnce(b);
    assert.match(await sidecar.log(), /received a message on EVENTS\.sync/);
  });

  it('takes up a changed log level at once in a running replay, without taking the peer over again', async () => {
    const sidecar = await start({ LFH_SYNC_LOG_LEVEL: 'info' });
    await sidecar.waitUntilReplaying(a);
    await sidecar.configure([{ site: a }], { LFH_SYNC_LOG_LEVEL: 'trace' });
    await until('it is taken up', async () => /took up changed settings/.test(await sidecar.log()));
    await ledger.send(a, 1);
    await ledger.arrivedOnce(b);
    await until("connect's own line is logged", async () => /replayed nats sync message/.test(await sidecar.log()));
    assert.match(await sidecar.metrics(), /^lfh_sync_take_overs_total\{[^}]*\} 1$/m);
  });

  it('waits for a Kafka that is down, reports it, and goes on when it is up', async () => {
    await b.kafka.stop();
    const sidecar = await start();
    await sidecar.waitForPeer(a, 'waits', ({ reason }) => reason === 'KafkaUnavailable');
    assert.equal(await sidecar.isReady(), false);
    await ledger.send(a, 10);
    await b.kafka.start();
    await ledger.arrivedOnce(b, 90_000);
    await until('it is ready', () => sidecar.isReady());
  });

  it('holds its memory within bounds with a large backlog', async () => {
    await a.pauseDurable(b.lfhId, true);
    await ledger.send(a, 20_000, 2_000);
    const sidecar = await start({ LFH_SYNC_BATCH_MAX_BYTES: String(1024 * 1024) });
    // Without a message the sidecar cannot know whether the stream is still the one that it has replayed.
    await sidecar.waitForPeer(a, 'says why it does not replay', ({ message }) => /has somebody paused/.test(message));
    await a.pauseDurable(b.lfhId, false);
    await ledger.arrivedOnce(b, 90_000);
    const resident = /^process_resident_memory_bytes (\S+)$/m.exec(await sidecar.metrics())?.[1];
    assert.ok(Number(resident) < 400 * 1024 * 1024, `${resident} bytes`);
  });
});

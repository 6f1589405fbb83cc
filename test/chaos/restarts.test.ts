import { promptly } from '../kit/processes/promptly.ts';
import { SidecarProcess } from '../kit/processes/sidecar.ts';
import { MessageLedger } from '../kit/sites/message-ledger.ts';
import { Site } from '../kit/sites/site.ts';

/** docs/operations.md promises it. */
const GOES_ON_MS = 3_000;

describe('a replay in full swing', function () {
  this.timeout(300_000);
  let a: Site;
  let b: Site;
  let sidecar: SidecarProcess;
  const ledger = new MessageLedger();

  before(async () => {
    [a, b] = await Promise.all([Site.start('hospital-a', { kafka: false }), Site.start('hospital-b')]);
    await a.grantAccess(b);
    const settings = { LFH_SYNC_BATCH_MAX_MESSAGES: '100' };
    sidecar = await SidecarProcess.start(b, { peers: [{ site: a }], settings });
    await sidecar.waitUntilReplaying(a);
  });

  after(async () => {
    await sidecar.stop();
    await Promise.all([a.stop(), b.stop()]);
  });

  /** Kafka is back: from here on it is up to us. */
  async function goesOn(what: string): Promise<void> {
    const { replayed } = await sidecar.peer(a);
    // So that there is something to replay, even if all the rest is through.
    await ledger.send(a, 10);
    const more = sidecar.waitForPeer(a, 'goes on', (status) => status.replayed > replayed, 60_000);
    await promptly(GOES_ON_MS, `replays on after ${what}`, more);
  }

  /** Sends a backlog, waits until some of it is replayed, and then lets something happen. */
  async function inTheMiddle(happens: () => Promise<unknown>): Promise<void> {
    const { replayed } = await sidecar.peer(a);
    await a.pauseDurable(b.lfhId, true);
    await ledger.send(a, 3_000, 1_500);
    await a.pauseDurable(b.lfhId, false);
    await sidecar.waitForPeer(a, 'has begun', (status) => status.replayed > replayed + 200);
    await happens();
    await ledger.arrivedOnce(b, 90_000);
    await ledger.acknowledged(a, b);
  }

  it('delivers each message once when the local Kafka is restarted', () =>
    inTheMiddle(async () => {
      await b.kafka.restart();
      await goesOn('a restart of Kafka');
    }));

  it('delivers each message once when the local Kafka is killed', () =>
    inTheMiddle(async () => {
      await b.kafka.kill();
      await b.kafka.start();
      await goesOn('Kafka was killed');
    }));

  it('delivers each message once when the local Kafka stands still for longer than a session', () =>
    inTheMiddle(async () => {
      await b.kafka.pause();
      await sidecar.waitForPeer(a, 'has given up for now', ({ reason }) => reason !== 'Replaying', 60_000);
      b.kafka.resume();
    }));

  it('delivers each message once when the NATS of the peer is restarted', () => inTheMiddle(() => a.nats.restart()));

  it('delivers each message once when the NATS of the peer is killed', () =>
    inTheMiddle(async () => {
      await a.nats.kill();
      await a.nats.start();
    }));

  it('delivers each message once when the local Kafka and the NATS of the peer are restarted together', () =>
    inTheMiddle(() => Promise.all([a.nats.restart(), b.kafka.restart()])));
});

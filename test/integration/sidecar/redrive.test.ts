import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { Admin } from 'kafkajs';
import type { RedriveStatus } from '../../../common/contract/status.ts';
import { until } from '../../kit/processes/process.ts';
import { SidecarProcess } from '../../kit/processes/sidecar.ts';
import { readTopic, replayedUuids } from '../../kit/servers/topic-reader.ts';
import { connectMessage } from '../../kit/sites/connect-message.ts';
import { MessageLedger } from '../../kit/sites/message-ledger.ts';
import { Site } from '../../kit/sites/site.ts';

const CRASHING = join(import.meta.dirname, '..', '..', 'chaos', 'crashing-main.ts');

/** What an administrator has forgotten at first, and allows later. */
const FORGOTTEN = 'HL7*';
const FHIR = ['FHIR*'];

describe('a redrive of rejected messages', function () {
  this.timeout(180_000);
  let a: Site;
  let b: Site;
  let sidecar: SidecarProcess;
  let rejected = 0;

  before(async () => {
    [a, b] = await Promise.all([Site.start('hospital-a', { kafka: false }), Site.start('hospital-b')]);
    await a.grantAccess(b);
    // It takes less than the other topics, so that large messages are cut.
    const configEntries = [{ name: 'max.message.bytes', value: '100000' }];
    await admin((client) =>
      client.createTopics({ topics: [{ topic: 'LFH_EXCEPTION', numPartitions: 3, configEntries }] }),
    );
    sidecar = await SidecarProcess.start(b, { peers: peers(FHIR) });
    await sidecar.waitUntilReplaying(a);
  });

  after(async () => {
    await sidecar.stop();
    await Promise.all([a.stop(), b.stop()]);
  });

  async function admin(work: (client: Admin) => Promise<unknown>): Promise<void> {
    const client = b.kafka.client().admin();
    await client.connect();
    await work(client);
    await client.disconnect();
  }

  const peers = (allowFormats: readonly string[], redrive?: object) => [
    { site: a, overrides: { allowFormats, ...(redrive && { redrive }) } },
  ];

  /** Announces messages that are rejected now. @returns their uuids */
  async function reject(count: number, format = 'HL7-V2', bytes = 20): Promise<string[]> {
    const content = `MSH|^~\\&|${'x'.repeat(bytes)}\r`;
    const messages = Array.from({ length: count }, () => connectMessage({ lfhId: a.lfhId, content, format }));
    await a.announce(messages.map(({ payload }) => payload));
    rejected += count;
    await until('rejected', async () => (await exceptions()) >= rejected);
    return messages.map(({ uuid }) => uuid);
  }

  /** Takes back what a test before has allowed. */
  async function forbid(): Promise<void> {
    await sidecar.configure(peers(FHIR));
    await sidecar.waitForPeer(a, 'has no redrive', (peer) => peer.redrive === null && peer.reason === 'Replaying');
  }

  async function exceptions(): Promise<number> {
    return (await readTopic(b.kafka, 'LFH_EXCEPTION')).length;
  }

  /** Where each of these is in a topic, in its order. */
  async function replayed(uuids: readonly string[], topic = 'LFH_SYNC'): Promise<string[]> {
    return (await replayedUuids(b.kafka, topic)).filter((uuid) => uuids.includes(uuid));
  }

  async function redrive(of: object, allowFormats: readonly string[] = [...FHIR, FORGOTTEN]): Promise<RedriveStatus> {
    const { id } = of as { id: string };
    await sidecar.configure(peers(allowFormats, of));
    return ended(id, (of as { dryRun?: boolean }).dryRun ?? false);
  }

  async function ended(id: string, dryRun = false): Promise<RedriveStatus> {
    const { redrive: status } = await sidecar.waitForPeer(
      a,
      `has ended ${id}`,
      (peer) => peer.redrive?.id === id && peer.redrive.dryRun === dryRun && peer.redrive.state === 'Done',
    );
    return status as RedriveStatus;
  }

  function counts({ found, replayed: done, rejected: again, missing }: RedriveStatus): number[] {
    return [found, done, again, missing];
  }

  it('counts with dryRun, and then replays in their order what the settings accept now, once, whatever the id', async () => {
    const wanted = await reject(450);
    const other = await reject(3, 'OTHER');
    const written = await exceptions();
    assert.deepEqual(counts(await redrive({ id: 'first', dryRun: true })), [453, 450, 3, 0]);
    assert.deepEqual(await replayed([...wanted, ...other]), []);

    const done = await redrive({ id: 'first' });
    assert.deepEqual(counts(done), [453, 450, 3, 0]);
    assert.ok(done.finishedAt !== null && Date.parse(done.finishedAt) >= Date.parse(done.startedAt));
    assert.deepEqual(await replayed([...wanted, ...other]), wanted);
    assert.deepEqual(await replayed(wanted, 'HL7-V2'), wanted);
    assert.equal(await exceptions(), written, 'what is rejected again is not written again');

    await sidecar.stop();
    await sidecar.start();
    assert.deepEqual(counts(await ended('first')), [453, 450, 3, 0], 'it is remembered, and does not run again');
    assert.deepEqual(counts(await redrive({ id: 'second' }, ['*'])), [3, 3, 0, 0]);
    assert.deepEqual(await replayed([...wanted, ...other]), [...wanted, ...other]);
    assert.deepEqual(counts(await redrive({ id: 'third' }, ['*'])), [0, 0, 0, 0]);
  });

  it('replays only what was rejected for the given reasons, and since the given time', async () => {
    await forbid();
    const before = await reject(2);
    const since = new Date().toISOString();
    const wanted = await reject(2);
    assert.deepEqual(counts(await redrive({ id: 'reasons', reasons: ['ForeignOrigin', 'TooLarge'] })), [0, 0, 0, 0]);
    assert.deepEqual(counts(await redrive({ id: 'since', reasons: ['FormatNotAllowed'], since })), [2, 2, 0, 0]);
    assert.deepEqual(await replayed([...before, ...wanted]), wanted);
    assert.deepEqual(counts(await redrive({ id: 'rest' })), [2, 2, 0, 0]);
    assert.deepEqual(await replayed([...before, ...wanted]), [...wanted, ...before]);
  });

  it("fetches what was cut from the peer's stream, in order, and says what is not there any more", async () => {
    await forbid();
    const [first, gone, ...rest] = [
      ...(await reject(1)),
      ...(await reject(2, 'HL7-V2', 150_000)),
      ...(await reject(1)),
    ];
    const cut = (await readTopic(b.kafka, 'LFH_EXCEPTION')).filter(
      ({ headers }) => headers['lfh-sync-encoding'] === 'base64-cut',
    );
    assert.equal(cut.length, 2);
    await a.deleteMessage(Number(cut[0]?.headers['lfh-sync-sequence']));
    const before = await a.streamMessages();
    assert.deepEqual(counts(await redrive({ id: 'cut' })), [4, 3, 0, 1]);
    assert.deepEqual(await replayed([first, gone, ...rest] as string[]), [first, ...rest]);
    assert.equal(await a.streamMessages(), before);
    const ledger = new MessageLedger();
    const live = await ledger.send(a, 5);
    await until('replayed', async () => (await replayed(live)).length === 5);
    await ledger.acknowledged(a, b);
    assert.deepEqual(counts(await redrive({ id: 'cut-again' })), [1, 0, 0, 1]);
  });

  it('loses, repeats and reorders nothing when it is killed at any point, beside the live replay', async () => {
    await forbid();
    const since = new Date().toISOString();
    const wanted = await reject(1_400);
    await sidecar.stop();
    const of = peers([...FHIR, FORGOTTEN], { id: 'killed', since });
    const ledger = new MessageLedger();
    const live: string[] = [];
    for (const [step, on, alive] of [
      ['before-redrive-commit', '2', 10],
      ['during-redrive-commit', '2', 10],
      ['after-commit', '1', 10],
      ['after-redrive-commit', '2', 0],
    ] as const) {
      const env = { CRASH_AT: step, CRASH_ON: on };
      const doomed = await SidecarProcess.start(b, { peers: of, main: CRASHING, env });
      live.push(...(await ledger.send(a, alive)));
      await doomed.process.exited();
    }
    await sidecar.configure(of);
    await sidecar.start();
    assert.deepEqual(counts(await ended('killed')), [1_400, 1_400, 0, 0]);
    await until('replayed', async () => (await replayed(live)).length === live.length);
    assert.deepEqual(await replayed(wanted), wanted);
    assert.deepEqual(await replayed(wanted, 'HL7-V2'), wanted);
    assert.deepEqual(await replayed(live), live);
    await ledger.acknowledged(a, b);
  });

  it('waits, and stops nothing else, while its position topic holds something else', async () => {
    const producer = b.kafka.client().producer();
    await producer.connect();
    const messages = [{ key: 'position', value: 'somebody else', partition: 0 }];
    await producer.send({ topic: 'LFH_SYNC_POSITION_redrive-lfh-sync-hospital-a', messages });
    await producer.disconnect();
    await sidecar.configure(peers(['*'], { id: 'foreign' }));
    const { redrive: status } = await sidecar.waitForPeer(a, 'waits', (peer) => peer.redrive?.state === 'Waiting');
    assert.match(status?.message ?? '', /redrive-lfh-sync-hospital-a holds something that is not ours/);
    const live = await new MessageLedger().send(a, 3);
    await until('replayed', async () => (await replayed(live)).length === 3);
  });
});

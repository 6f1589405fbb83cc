import assert from 'node:assert/strict';
import fc from 'fast-check';
import { DURABLE } from '../../../common/contract/durable.ts';
import { until } from '../../kit/processes/process.ts';
import { SidecarProcess } from '../../kit/processes/sidecar.ts';
import { readTopic, replayedUuids } from '../../kit/servers/topic-reader.ts';
import { connectMessage } from '../../kit/sites/connect-message.ts';
import { Site } from '../../kit/sites/site.ts';

type Kind = 'good' | 'large' | 'own' | 'empty' | 'poison' | 'foreign' | 'huge';

const MAX_MESSAGE_BYTES = 400_000;
const REASONS: Partial<Record<Kind, string>> = {
  empty: 'Empty',
  poison: 'NotJson',
  foreign: 'ForeignOrigin',
  huge: 'TooLarge',
};

describe('whatever sequence of messages a peer has, the sidecar', function () {
  this.timeout(180_000);
  let a: Site;
  let b: Site;
  let sidecar: SidecarProcess;
  let decided = 0;
  const good: string[] = [];
  const rejected: string[] = [];

  before(async () => {
    [a, b] = await Promise.all([Site.start('hospital-a', { kafka: false }), Site.start('hospital-b')]);
    await a.grantAccess(b);
    sidecar = await SidecarProcess.start(b, { peers: [{ site: a }], settings: settings(500) });
    await sidecar.waitUntilReplaying(a);
  });

  after(async () => {
    await sidecar?.stop();
    await Promise.all([a?.stop(), b?.stop()]);
  });

  function settings(batch: number): Record<string, string> {
    return {
      LFH_SYNC_MAX_MESSAGE_BYTES: String(MAX_MESSAGE_BYTES),
      LFH_SYNC_BATCH_MAX_MESSAGES: String(batch),
      LFH_SYNC_BATCH_MAX_BYTES: String(Math.max(MAX_MESSAGE_BYTES, batch * 2_000)),
    };
  }

  /** Notes what must become of a message, and returns its bytes. */
  function payloadOf(kind: Kind): Buffer {
    if (kind in REASONS) rejected.push(REASONS[kind] as string);
    if (kind === 'empty') return Buffer.alloc(0);
    if (kind === 'poison') return Buffer.from('{"not": "JSON"');
    const lfhId = { own: b.lfhId, foreign: 'hospital-z' }[kind as string] ?? a.lfhId;
    const size = { large: MAX_MESSAGE_BYTES / 2, huge: MAX_MESSAGE_BYTES }[kind as string] ?? 200;
    const { uuid, payload } = connectMessage({
      lfhId,
      content: { resourceType: 'Patient' },
      overrides: { padding: 'x'.repeat(size) },
    });
    if (kind === 'good' || kind === 'large') good.push(uuid);
    return payload;
  }

  /** Lets a backlog arise, so that the messages come in few pulls. */
  async function sendAtOnce(kinds: readonly Kind[]): Promise<void> {
    await a.pauseDurable(b.lfhId, true);
    await a.announce(kinds.map(payloadOf));
    decided += kinds.length;
    await a.pauseDurable(b.lfhId, false);
  }

  async function allIsDecided(timeoutMs: number): Promise<void> {
    await sidecar.waitForPeer(
      a,
      `has decided about ${decided} messages`,
      (status) =>
        status.replayed + sum(status.skipped) - status.skipped.AlreadyReplayed + sum(status.rejected) >= decided,
      timeoutMs,
    );
    assert.deepEqual(await replayedUuids(b.kafka), good, 'every good message is in Kafka once, in order');
    const records = await readTopic(b.kafka, 'LFH_EXCEPTION');
    assert.deepEqual(
      records.map(({ headers }) => headers['lfh-sync-reason']),
      rejected,
      'every bad one is in LFH_EXCEPTION once, in order',
    );
  }

  it('replays 100 good messages that come after an empty one, which comes after five good ones', async () => {
    await sendAtOnce([...times(5, 'good'), 'empty', ...times(100, 'good')]);
    await allIsDecided(20_000);
    const { gaps } = await sidecar.peer(a);
    assert.ok(gaps <= 1, `one empty message broke the chain ${gaps} times`);
  });

  it('passes a thousand empty messages in a row among good ones', async () => {
    await sendAtOnce([...times(50, 'good'), ...times(1_000, 'empty'), ...times(50, 'good')]);
    await allIsDecided(40_000);
  });

  it('gets what comes after an empty message at the end of a backlog before the server would hand it out again', async () => {
    await sendAtOnce([...times(150, 'good'), 'empty', ...times(2, 'good')]);
    await allIsDecided(DURABLE.ackWaitMs / 2);
  });

  // Runs of good messages, long ones too, so that pulls have grown when something else comes.
  const runs = fc.oneof(
    { weight: 3, arbitrary: fc.tuple(fc.integer({ min: 1, max: 150 }), fc.constant<Kind>('good')) },
    { weight: 3, arbitrary: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.constant<Kind>('empty')) },
    {
      weight: 1,
      arbitrary: fc.tuple(fc.constant(1), fc.constantFrom<Kind>('poison', 'foreign', 'huge', 'own', 'large')),
    },
  );
  const sequences = fc.sample(fc.array(runs, { minLength: 6, maxLength: 14 }), { seed: 20_261_128, numRuns: 8 });
  [50, 2, 3, 1, 7, 500, 2_000, 10_000].forEach((batch, index) => {
    const sequence = sequences[index] as [number, Kind][];
    const title = sequence.map(([count, kind]) => `${count} ${kind}`).join(', ');
    it(`puts every good message into Kafka once and in order, in batches of ${batch}: ${title}`, async () => {
      await sidecar.configure([{ site: a }], settings(batch));
      await until('the limit is in force', async () => (await sidecar.peer(a)).reason === 'Replaying', 20_000);
      await sendAtOnce(sequence.flatMap(([count, kind]) => times(count, kind)));
      await allIsDecided(60_000);
    });
  });
});

function times(count: number, kind: Kind): Kind[] {
  return Array.from({ length: count }, () => kind);
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}

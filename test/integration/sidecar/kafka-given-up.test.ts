import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { syncName } from '../../../common/contract/names.ts';
import { recordValue } from '../../../sidecar/replay/record-value.ts';
import { until } from '../../kit/processes/process.ts';
import { SidecarProcess } from '../../kit/processes/sidecar.ts';
import { KafkaServer } from '../../kit/servers/kafka.ts';
import { openSidecarKafka, sendRecords } from '../../kit/servers/sidecar-kafka.ts';
import { MessageLedger } from '../../kit/sites/message-ledger.ts';
import { Site } from '../../kit/sites/site.ts';

/** Longer than the time-out of a step, which is 12 s, and that of the requests in it. */
const STEP_MS = 14_000;

describe('what is given up since Kafka stands still', () => {
  it('leaves no connection and no timer behind, after several time-outs as after none', async function () {
    this.timeout(90_000);
    const directory = await mkdtemp(join(tmpdir(), 'lfh-sync-given-up-'));
    const kafka = await KafkaServer.start({ directory });
    const position = { stream: 'EVENTS', identity: 'i', sequence: 1, time: 5, consumerSequence: 1, from: 0 };
    try {
      const before = process.getActiveResourcesInfo().length;
      const ours = openSidecarKafka(kafka.brokers);
      const taken = await Promise.all(['a', 'b', 'c'].map((peer) => ours.takeOver(syncName(peer))));
      await ours.ensureTopics(['LFH_SYNC']);
      await kafka.pause();
      const record = { topic: 'LFH_SYNC', value: recordValue(Buffer.from('x')) };
      const sent = await Promise.allSettled(taken.map(({ writer }) => sendRecords(writer, [record], position)));
      assert.deepEqual(
        sent.map(({ status }) => status),
        ['rejected', 'rejected', 'rejected'],
      );
      await Promise.all(taken.map(({ writer }) => writer.close()));
      await ours.close();
      await until('nothing is left', () => process.getActiveResourcesInfo().length <= before, 20_000).catch(() =>
        assert.fail(`left: ${process.getActiveResourcesInfo().join(', ')}`),
      );
    } finally {
      kafka.resume();
      await kafka.stop();
      await rm(directory, { recursive: true });
    }
  });

  it('does not keep a sidecar that stood still in a transaction: it ends within 15 s of SIGTERM', async function () {
    this.timeout(120_000);
    const [a, b] = await Promise.all([Site.start('hospital-a', { kafka: false }), Site.start('hospital-b')]);
    let sidecar: SidecarProcess | undefined;
    try {
      await a.grantAccess(b);
      const ledger = new MessageLedger();
      sidecar = await SidecarProcess.start(b, { peers: [{ site: a }] });
      await sidecar.waitUntilReplaying(a);
      await ledger.send(a, 10);
      await ledger.arrivedOnce(b);
      await b.kafka.pause();
      await ledger.send(a, 10);
      await sidecar.waitForPeer(a, 'gave a step up', ({ reason }) => reason !== 'Replaying', STEP_MS + 15_000);
      const { process: asked } = sidecar;
      asked.signal('SIGTERM');
      await until('it has ended', () => !asked.running, 15_000);
      assert.equal(await asked.exited(), 0);
      assert.match(await sidecar.log(), /"msg":"ended"/);
    } finally {
      await sidecar?.kill();
      b.kafka.resume();
      await Promise.all([a.stop(), b.stop()]);
    }
  });
});

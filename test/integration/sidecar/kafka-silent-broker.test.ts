import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { syncName } from '../../../common/contract/names.ts';
import { KafkaServer } from '../../kit/servers/kafka.ts';
import { openSidecarKafka } from '../../kit/servers/sidecar-kafka.ts';

describe('a bootstrap server that takes connections and answers nothing', function () {
  this.timeout(120_000);
  let directory: string;
  let silent: KafkaServer;
  let answering: KafkaServer;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lfh-sync-silent-broker-'));
    const start = (name: string): Promise<KafkaServer> => KafkaServer.start({ directory: join(directory, name) });
    [silent, answering] = await Promise.all([start('silent'), start('answering')]);
    await silent.pause();
  });

  after(async () => {
    silent.resume();
    await Promise.all([silent.stop(), answering.stop()]);
    await rm(directory, { recursive: true });
  });

  it('fails no take-over and no request about topics: the next one of the list is asked', async () => {
    for (const brokers of [
      [...silent.brokers, ...answering.brokers],
      [...answering.brokers, ...silent.brokers],
    ]) {
      const ours = openSidecarKafka(brokers);
      try {
        await ours.ensureTopics(['LFH_SYNC']);
        for (const peer of ['first', 'second', 'third']) {
          const { writer, position } = await ours.takeOver(syncName(peer));
          assert.equal(position, undefined);
          await writer.close();
        }
      } finally {
        await ours.close();
      }
    }
  });
});

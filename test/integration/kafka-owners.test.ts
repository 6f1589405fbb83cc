import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '../../common/log.ts';
import { type OpenKafka, openKafka } from '../../sidecar/kafka/kafka.ts';
import { KafkaServer } from '../servers/kafka.ts';
import { until } from '../servers/process.ts';

describe('the group that spreads the peers over the sidecars', () => {
  let directory: string;
  let kafka: KafkaServer;
  let ours: OpenKafka;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lfh-sync-owners-'));
    kafka = await KafkaServer.start({ directory });
    const log = createLogger({ name: 'test', level: 'fatal' });
    const topics = { partitions: 1, replicationFactor: 1, maxTopics: 100 };
    ours = openKafka({ brokers: kafka.brokers, clientId: 'test', node: 'local', log, ...topics });
  });

  after(async () => {
    await ours.close();
    await kafka.stop();
    await rm(directory, { recursive: true });
  });

  it('is never in another state than it last told, while Kafka stands still and comes back', async () => {
    const { owners } = ours;
    const state = (): string => `joined ${owners.joined}, holds ${owners.held.size > 0}`;
    let told = state();
    owners.onChange(() => {
      told = state();
    });
    const untold = new Set<string>();
    const becomes = (wanted: string): Promise<void> => {
      const seen = (): boolean => {
        if (state() !== told) untold.add(`${state()}, but told was: ${told}`);
        return told === wanted;
      };
      return until(wanted, seen, 30_000, 5);
    };

    owners.start();
    await becomes('joined true, holds true');
    await kafka.pause();
    await becomes('joined false, holds false');
    kafka.resume();
    await becomes('joined true, holds true');

    assert.deepEqual([...untold], []);
  });
});

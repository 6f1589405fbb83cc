import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OpenKafka } from '../../../sidecar/kafka/open.ts';
import { freePort, until } from '../../kit/processes/process.ts';
import { KafkaServer } from '../../kit/servers/kafka.ts';
import {
  COORDINATOR_LOAD_IN_PROGRESS,
  HEARTBEAT,
  JOIN_GROUP,
  KafkaRelay,
  UNKNOWN_MEMBER_ID,
} from '../../kit/servers/kafka-relay.ts';
import { openSidecarKafka } from '../../kit/servers/sidecar-kafka.ts';

describe('the owners group', function () {
  this.timeout(240_000);
  let directory: string;
  let kafka: KafkaServer;
  let relay: KafkaRelay;
  let ours: OpenKafka;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lfh-sync-owners-'));
    const [port, relayPort] = [await freePort(), await freePort()];
    relay = await KafkaRelay.start(relayPort, port);
    const properties = { 'advertised.listeners': `PLAINTEXT://127.0.0.1:${relayPort}` };
    kafka = await KafkaServer.start({ directory, port, properties });
    ours = openSidecarKafka([`127.0.0.1:${relayPort}`], 1);
    ours.owners.start();
  });

  after(async () => {
    await ours.close();
    await kafka.stop();
    await relay.stop();
    await rm(directory, { recursive: true });
  });

  function state(): string {
    return `joined ${ours.owners.joined}, holds ${ours.owners.held.size > 0}`;
  }

  it('is joined again when kafkajs has lost its membership and fetches on without it', async () => {
    await until('joined', () => ours.owners.joined);

    const joining = relay.answerNext(JOIN_GROUP, COORDINATOR_LOAD_IN_PROGRESS);
    let wasLost = false;
    ours.owners.onChange(() => {
      wasLost ||= !ours.owners.joined;
    });
    await relay.answerNext(HEARTBEAT, UNKNOWN_MEMBER_ID);
    await joining;

    await until('the membership is lost', () => wasLost);
    await until('joined again', () => ours.owners.joined && ours.owners.held.size > 0, 60_000);
  });

  it('reports every change of its state while Kafka stands still and comes back', async () => {
    let told = state();
    ours.owners.onChange(() => {
      told = state();
    });
    const untold = new Set<string>();
    const becomes = (wanted: string): Promise<void> => {
      const seen = (): boolean => {
        if (state() !== told) untold.add(`${state()}, but told was: ${told}`);
        return told === wanted;
      };
      return until(wanted, seen, 60_000, 5);
    };

    await becomes('joined true, holds true');
    await kafka.pause();
    await becomes('joined false, holds false');
    kafka.resume();
    await becomes('joined true, holds true');

    assert.deepEqual([...untold], []);
  });
});

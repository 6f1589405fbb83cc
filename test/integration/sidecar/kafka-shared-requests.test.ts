import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OpenKafka } from '../../../sidecar/kafka/open.ts';
import { KafkaServer } from '../../kit/servers/kafka.ts';
import { openSidecarKafka } from '../../kit/servers/sidecar-kafka.ts';

/** Kafka takes this name for that of FHIR-R4_X, since it tells no difference between a dot and an underscore. */
const COLLIDING = 'FHIR-R4.X';
const ROUNDS = 40;

describe("requests about topics that several peers' replays make at the same time", () => {
  let directory: string;
  let kafka: KafkaServer;
  let ours: OpenKafka;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lfh-sync-shared-requests-'));
    kafka = await KafkaServer.start({ directory });
    ours = openSidecarKafka(kafka.brokers);
    await ours.ensureTopics(['LFH_SYNC', 'FHIR-R4_X']);
  });

  after(async () => {
    await ours.close();
    await kafka.stop();
    await rm(directory, { recursive: true });
  });

  it('all succeed for one peer while Kafka refuses a topic of another again and again', async () => {
    let refusals = 0;
    const hostile = async (): Promise<void> => {
      for (let round = 0; round < ROUNDS; round += 1) {
        const found = (await ours.ensureTopics([COLLIDING], { peer: 'hostile', maxAgeMs: 0 })).get(COLLIDING);
        if (found && 'refused' in found) refusals += 1;
      }
    };
    const honest = async (topic: string): Promise<void> => {
      for (let round = 0; round < ROUNDS; round += 1) {
        const found = (await ours.ensureTopics([topic], { peer: topic, maxAgeMs: 0 })).get(topic);
        assert.ok(found && 'maxMessageBytes' in found, topic);
      }
    };
    await Promise.all([hostile(), honest('LFH_SYNC'), honest('X12-5010')]);
    assert.equal(refusals, ROUNDS);
  });

  it('are not repeated for a refused name while the answer is fresh', async () => {
    await ours.ensureTopics([COLLIDING], { peer: 'hostile', maxAgeMs: 0 });
    await kafka.process.pause();
    try {
      const found = (await ours.ensureTopics([COLLIDING], { peer: 'hostile' })).get(COLLIDING);
      assert.ok(found && 'refused' in found);
    } finally {
      kafka.process.resume();
    }
  });
});

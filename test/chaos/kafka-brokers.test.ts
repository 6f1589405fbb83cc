import { positionTopic, syncName } from '../../common/contract/names.ts';
import { promptly } from '../kit/processes/promptly.ts';
import { SidecarProcess } from '../kit/processes/sidecar.ts';
import type { KafkaServer } from '../kit/servers/kafka.ts';
import { KafkaCluster } from '../kit/servers/kafka-cluster.ts';
import { MessageLedger } from '../kit/sites/message-ledger.ts';
import { Site } from '../kit/sites/site.ts';

/** In the tests, Kafka gives a broker up 2 s after its last sign of life. Then others lead. */
const GIVEN_UP_MS = 2_000;
const GOES_ON_MS = 3_000;
/** The longest that Kafka is waited for when it does not answer, and the take-over after it. */
const NO_ANSWER_MS = 60_000;
const ORIGIN = 'hospital-c';
const POSITION = positionTopic(syncName(ORIGIN));
const TOPICS = ['LFH_SYNC', 'FHIR-R4', POSITION, '__consumer_offsets', '__transaction_state'];

describe('a replay into a Kafka of three brokers', function () {
  this.timeout(400_000);
  let kafka: KafkaCluster;
  let second: KafkaServer;
  let third: KafkaServer;
  let a: Site;
  let b: Site;
  let sidecar: SidecarProcess;
  const ledger = new MessageLedger();

  before(async () => {
    [kafka, a, b] = await Promise.all([
      KafkaCluster.start(),
      Site.start(ORIGIN, { kafka: false }),
      Site.start('hospital-b', { kafka: false }),
    ]);
    [, second, third] = kafka.servers as [KafkaServer, KafkaServer, KafkaServer];
    await makePositionTopic();
    await a.grantAccess(b);
    const settings = {
      KAFKA_BOOTSTRAP_SERVERS: JSON.stringify(kafka.brokers),
      KAFKA_ADMIN_NEW_TOPIC_REPLICATION_FACTOR: '3',
      KAFKA_ADMIN_NEW_TOPIC_PARTITIONS: '3',
      LFH_SYNC_BATCH_MAX_MESSAGES: '50',
    };
    sidecar = await SidecarProcess.start(b, { peers: [{ site: a }], settings });
    await sidecar.waitUntilReplaying(a);
    await ledger.send(a, 10);
    await ledger.arrivedOnce({ kafka });
  });

  after(async () => {
    await sidecar.stop();
    await Promise.all([kafka.stop(), a.stop(), b.stop()]);
  });

  /** Led by the second broker whenever that is there. */
  async function makePositionTopic(): Promise<void> {
    const admin = kafka.client().admin();
    await admin.connect();
    const topic = {
      topic: POSITION,
      replicaAssignment: [{ partition: 0, replicas: [second.id, third.id, 1] }],
      configEntries: [{ name: 'cleanup.policy', value: 'compact' }],
    };
    await admin.createTopics({ topics: [topic] });
    await admin.disconnect();
  }

  /** Lets something happen while a backlog is replayed and more is announced. Then each message is there once, in order. */
  async function whileReplaying(happens: () => Promise<unknown>): Promise<void> {
    await kafka.isWhole(TOPICS);
    await a.pauseDurable(b.lfhId, true);
    await ledger.send(a, 2_000, 1_000);
    const { replayed } = await sidecar.peer(a);
    await a.pauseDurable(b.lfhId, false);
    await sidecar.waitForPeer(a, 'has begun', (status) => status.replayed > replayed + 100);
    let done = false;
    const more = ledger.sendSlowlyUntil(a, () => done);
    try {
      await happens();
    } finally {
      done = true;
      await more;
    }
    await kafka.isWhole(TOPICS);
    await ledger.arrivedOnce({ kafka }, 90_000);
    await ledger.acknowledged(a, b);
  }

  /** Waits until more is replayed than at the time of the call. */
  async function goesOn(ms: number, what: string): Promise<void> {
    const { replayed } = await sidecar.peer(a);
    const more = sidecar.waitForPeer(a, 'goes on', (status) => status.replayed > replayed + 50, 90_000);
    await promptly(ms, `replays on while ${what}`, more);
  }

  it('loses, repeats and reorders nothing while one broker is stopped, another is killed, and both come back', () =>
    whileReplaying(async () => {
      await second.stop();
      await goesOn(GOES_ON_MS, 'a broker is stopped');
      await second.start();
      await kafka.isWhole(TOPICS);
      await third.kill();
      await goesOn(GIVEN_UP_MS + GOES_ON_MS, 'a broker is dead');
      await third.start();
    }));

  it('loses, repeats and reorders nothing while the broker that leads stands still, and when it goes on', () =>
    whileReplaying(async () => {
      await kafka.isLed(POSITION, (id) => id === second.id);
      await second.pause();
      await goesOn(NO_ANSWER_MS, 'a broker stands still');
      second.resume();
    }));
});

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { freePort, until } from '../processes/process.ts';
import { KafkaServer } from './kafka.ts';

const HEAP = '256m';
/** As an installation that shall survive the loss of a broker has them. */
const REPLICATED = {
  'default.replication.factor': '3',
  'min.insync.replicas': '2',
  'offsets.topic.replication.factor': '3',
  'transaction.state.log.replication.factor': '3',
  'transaction.state.log.min.isr': '2',
  // The first replica of a partition leads it again soon after it is back.
  'leader.imbalance.check.interval.seconds': '1',
  'leader.imbalance.per.broker.percentage': '0',
  // A follower that has fallen silent is given up after this: 30 s by default.
  'replica.lag.time.max.ms': '3000',
};

/** A real Kafka of three brokers on 127.0.0.1. The broker 1 is the controller as well. */
export class KafkaCluster {
  readonly servers: readonly KafkaServer[];
  readonly #directory: string;

  private constructor(servers: readonly KafkaServer[], directory: string) {
    this.servers = servers;
    this.#directory = directory;
  }

  static async start(): Promise<KafkaCluster> {
    const directory = await mkdtemp(join(tmpdir(), 'lfh-sync-brokers-'));
    const controllerPort = await freePort();
    const servers = await Promise.all(
      [1, 2, 3].map((id) =>
        KafkaServer.start({
          directory: join(directory, `broker-${id}`),
          member: { id, controllerPort, heap: HEAP },
          properties: REPLICATED,
        }),
      ),
    );
    return new KafkaCluster(servers, directory);
  }

  get brokers(): string[] {
    return this.servers.flatMap(({ brokers }) => brokers);
  }

  /** A kafkajs client of the test's own. */
  client(): Kafka {
    return new Kafka({ brokers: this.brokers, clientId: 'test', logLevel: logLevel.NOTHING, retry: { retries: 10 } });
  }

  /**
   * Waits until every partition of these topics is on all brokers, and led by its first one: from then on any of them may be
   * lost, and readers see all that is committed, which a broker that has just become the leader may not know yet.
   */
  async isWhole(topics: readonly string[]): Promise<void> {
    const admin = this.client().admin();
    await admin.connect();
    const isWhole = async (): Promise<boolean> => {
      const metadata = await admin.fetchTopicMetadata({ topics: [...topics] });
      const partitions = metadata.topics.flatMap((topic) => topic.partitions);
      const isSettled = ({ isr, leader, replicas }: (typeof partitions)[number]): boolean =>
        isr.length === this.servers.length && leader === replicas[0];
      return partitions.length > 0 && partitions.every(isSettled);
    };
    await until('every partition is on all brokers, and led by its first', isWhole, 90_000, 100);
    await admin.disconnect();
  }

  /** Waits until a topic's first partition is led by a broker as wanted. */
  async isLed(topic: string, by: (id: number) => boolean): Promise<void> {
    const admin = this.client().admin();
    await admin.connect();
    const isLed = async (): Promise<boolean> => {
      const metadata = await admin.fetchTopicMetadata({ topics: [topic] });
      const leader = metadata.topics[0]?.partitions[0]?.leader;
      return leader !== undefined && leader > 0 && by(leader);
    };
    await until(`${topic} is led by the broker that should`, isLed, 90_000, 100);
    await admin.disconnect();
  }

  async stop(): Promise<void> {
    // The controller last: without it the others do not end in order.
    await Promise.all(this.servers.slice(1).map((server) => server.stop()));
    await this.servers[0]?.stop();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

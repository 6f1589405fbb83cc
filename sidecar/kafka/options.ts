import type { Settings } from '../../common/contract/settings.ts';
import type { Logger } from '../../common/log.ts';
import type { KafkaSasl } from './client.ts';
import type { KafkaOptions } from './open.ts';

/** The settings, with the content of the files that they name. */
interface KafkaSettings extends Settings {
  readonly kafkaCa?: string;
  readonly kafkaPassword?: string;
}

/** How the settings say that the node's Kafka is reached. */
export function kafkaOptions(settings: KafkaSettings, log: Logger): KafkaOptions {
  const { kafkaBrokers, node, kafkaTls, kafkaCa } = settings;
  return {
    brokers: kafkaBrokers,
    node,
    clientId: `lfh-sync-${node}`,
    tls: kafkaTls ? { ca: kafkaCa } : undefined,
    sasl: saslOf(settings),
    partitions: settings.newTopicPartitions,
    replicationFactor: settings.newTopicReplicationFactor,
    maxTopics: settings.maxTopics,
    maxMessageBytes: settings.maxMessageBytes,
    log,
  };
}

function saslOf(settings: KafkaSettings): KafkaSasl | undefined {
  const { kafkaSaslMechanism: mechanism, kafkaSaslUsername: username, kafkaPassword: password } = settings;
  return mechanism && username && password !== undefined ? { mechanism, username, password } : undefined;
}

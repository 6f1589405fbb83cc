import { createLogger } from '../../../common/log.ts';
import { type OpenKafka, openKafka } from '../../../sidecar/kafka/open.ts';

/** The sidecar's own access to a Kafka, for tests that need no whole sidecar. It logs nothing. */
export function openSidecarKafka(brokers: readonly string[], partitions = 3): OpenKafka {
  const log = createLogger({ name: 'test', level: 'fatal' });
  const topics = { partitions, replicationFactor: 1, maxTopics: 100 };
  return openKafka({ brokers: [...brokers], clientId: 'test', node: 'local', log, ...topics });
}

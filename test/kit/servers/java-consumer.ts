import { join } from 'node:path';
import { execute } from '../../../image/cache.ts';
import { type KafkaServer, kafkaClassPath } from './kafka.ts';

/**
 * What the Java consumer, which is right by definition, reads of a topic of one partition: committed values, in order.
 *
 * @param count after how many it ends; where there are fewer, it waits a minute for the next
 */
export async function readWithJava(kafka: KafkaServer, topic: string, count: number): Promise<string[]> {
  const { stdout } = await execute('java', [
    `-Dlog4j2.configurationFile=${join(import.meta.dirname, 'log4j2.properties')}`,
    '-cp',
    await kafkaClassPath(),
    'org.apache.kafka.tools.consumer.ConsoleConsumer',
    '--bootstrap-server',
    kafka.brokers.join(),
    '--topic',
    topic,
    '--from-beginning',
    '--isolation-level',
    'read_committed',
    '--max-messages',
    String(count),
    '--timeout-ms',
    '60000',
  ]);
  return stdout.split('\n').filter((line) => line !== '');
}

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { execute } from '../../../image/cache.ts';
import { type KafkaServer, kafkaClassPath } from './kafka.ts';

const LOG4J = `-Dlog4j2.configurationFile=${join(import.meta.dirname, 'log4j2.properties')}`;
const COMMITTED_READER = join(import.meta.dirname, 'CommittedReader.java');

/** A committed record, as the Java consumer returned it. */
export interface JavaRecord {
  readonly topic: string;
  readonly partition: number;
  /** In milliseconds since 1970. */
  readonly time: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly value: Buffer;
}

/**
 * Hands out what the Java consumer, which is right by definition, reads of some topics: committed records, each partition in order,
 * up to where it ended when the reading began. It keeps none of them, so that there may be millions.
 *
 * @throws when it has not got to the end within `timeoutMs`
 */
export async function eachWithJava(
  brokers: readonly string[],
  topics: readonly string[],
  handle: (record: JavaRecord) => void,
  timeoutMs: number,
): Promise<void> {
  const command = [LOG4J, '-cp', await kafkaClassPath(), COMMITTED_READER, brokers.join(), ...topics];
  const child = spawn('java', command, { stdio: ['ignore', 'pipe', 'pipe'], timeout: timeoutMs });
  const ended = once(child, 'close') as Promise<[code: number | null]>;
  const said: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk));
  for await (const text of createInterface({ input: child.stdout })) handle(javaRecordOf(text));
  const [code] = await ended;
  if (code !== 0)
    throw new Error(`the Java consumer ended with ${code} before it had read all: ${String(Buffer.concat(said))}`);
}

function javaRecordOf(text: string): JavaRecord {
  const [topic = '', partition, , time, headers = '', value = ''] = text.split('\t');
  const pairs = headers
    .split(',')
    .slice(1)
    .map((pair): [string, string] => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]);
  return {
    topic,
    partition: Number(partition),
    time: Number(time),
    headers: Object.fromEntries(pairs),
    value: Buffer.from(value, 'base64'),
  };
}

/**
 * What the Java consumer, which is right by definition, reads of a topic of one partition: committed values, in order.
 *
 * @param count after how many it ends; where there are fewer, it waits a minute for the next
 */
export async function readWithJava(kafka: KafkaServer, topic: string, count: number): Promise<string[]> {
  const { stdout } = await execute('java', [
    LOG4J,
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

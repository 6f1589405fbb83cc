import { join } from 'node:path';
import { execute } from '../../image/cache.ts';
import { kafkaClassPath } from '../kit/servers/kafka.ts';
import { command } from './contenders.ts';
import { quietly, untilQuiet, watchOthers } from './machine.ts';
import type { Stage } from './stage.ts';

/** What bounds everybody: how fast the two servers are when nothing has to be done in between. */
export interface Limit {
  readonly name: string;
  readonly perSecond: number;
}

export async function limits(stage: Stage, bytes: number): Promise<Limit[]> {
  const count = stage.sent.length;
  return [
    { name: 'pull from NATS, write nothing', perSecond: await pullOnly(stage) },
    { name: "Kafka's own producer, one record, no transaction", perSecond: await produce(stage, count, bytes, []) },
    {
      name: "Kafka's own producer, one record, transactions of 100 ms",
      perSecond: await produce(stage, count, bytes, ['--transactional-id', 'perf', '--transaction-duration-ms', '100']),
    },
  ];
}

async function pullOnly(stage: Stage): Promise<number> {
  const program = [process.execPath, join(import.meta.dirname, 'bridges', 'pull-only.ts')];
  const { lfhId, launch } = await command(stage, 'pull only', program);
  await untilQuiet();
  const launched = await launch();
  const begun = async (): Promise<boolean> => (await stage.durable(lfhId)).delivered.consumer_seq > 0;
  while (!(await begun())) await new Promise((resolve) => setTimeout(resolve, 1));
  const started = performance.now();
  const ended = await stage.acknowledged(lfhId, 'pull only');
  await launched.stop();
  const { delivered } = await stage.durable(lfhId);
  if (delivered.consumer_seq !== stage.sent.length) {
    throw new Error(`${delivered.consumer_seq} messages were pulled, and ${stage.sent.length} are in the stream`);
  }
  return (stage.sent.length * 1000) / (ended - started);
}

async function produce(stage: Stage, count: number, bytes: number, more: readonly string[]): Promise<number> {
  const admin = stage.receiver.kafka.client().admin();
  const topic = `perf-${more.length}`;
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true });
  const stdout = await quietly(topic, async () => {
    const seen = watchOthers();
    const { stdout } = await execute('java', [
      '-cp',
      await kafkaClassPath(),
      'org.apache.kafka.tools.ProducerPerformance',
      '--topic',
      topic,
      '--num-records',
      String(count),
      '--record-size',
      String(bytes),
      '--throughput',
      '-1',
      '--producer-props',
      `bootstrap.servers=${stage.receiver.kafka.brokers.join()}`,
      ...more,
    ]);
    return { result: stdout, others: seen() };
  });
  await admin.deleteTopics({ topics: [topic] });
  await admin.disconnect();
  const rates = [...stdout.matchAll(/([\d.]+) records\/sec/g)];
  return Number(rates.at(-1)?.[1] ?? Number.NaN);
}

import { setTimeout as sleep } from 'node:timers/promises';
import { SYNC_SUBJECT } from '../../common/contract/names.ts';
import { Fetcher } from '../../sidecar/kafka/fetch.ts';
import { until } from '../kit/processes/process.ts';
import type { ConnectMessage } from '../kit/sites/connect-message.ts';
import type { Site } from '../kit/sites/site.ts';
import { type Contender, whileItRuns } from './contenders.ts';
import { type Others, quietly, watchOthers } from './machine.ts';
import { messagesOf, type Stage, uuidOf } from './stage.ts';

export interface Load {
  readonly perSecond: number;
  readonly count: number;
  /** The size of a message. */
  readonly bytes: number;
}

/** How long messages take at a steady rate, from the publish until a reader of committed records has them, in milliseconds. */
export function latencies(stage: Stage, contender: Contender, load: Load): Promise<readonly number[]> {
  return quietly(contender.name, () => once(stage, contender, load));
}

async function once(
  stage: Stage,
  contender: Contender,
  load: Load,
): Promise<{ readonly result: readonly number[]; readonly others: Others }> {
  await stage.fill(0, load.bytes);
  await stage.startOver(contender);
  const launched = await contender.launch();
  try {
    return await whileItRuns(launched, underLoad(stage, contender, load));
  } finally {
    await launched.stop();
  }
}

async function underLoad(
  stage: Stage,
  { name, lfhId, rawTopic }: Contender,
  { perSecond, count, bytes }: Load,
): Promise<{ readonly result: readonly number[]; readonly others: Others }> {
  await until(`${name} pulls`, async () => (await stage.durable(lfhId)).num_waiting > 0);
  // The first ones pay for what is made at the first message: topics, connections, compiled code.
  await stage.publish(messagesOf(stage.origin.lfhId, 2_000, bytes));
  await stage.acknowledged(lfhId, name);
  const batch = messagesOf(stage.origin.lfhId, count, bytes);
  stage.note(batch);
  const seen = watchOthers();
  const result = await steadily(stage.origin, stage.receiver, { topic: rawTopic, partition: 0 }, batch, perSecond);
  const others = seen();
  await stage.acknowledged(lfhId, name);
  await stage.verify(name, rawTopic);
  return { result, others };
}

/** Publishes at a site at a steady rate, and says how long each message took until it could be read at the other. */
export async function steadily(
  origin: Site,
  receiver: Site,
  { topic, partition }: { readonly topic: string; readonly partition: number },
  batch: readonly ConnectMessage[],
  perSecond: number,
): Promise<number[]> {
  const published = new Map<string, number>();
  const found: number[] = [];
  const fetcher = new Fetcher(receiver.kafka.client());
  await fetcher.connect();
  let next = await fetcher.lastOffset(topic, partition);
  const progress = { isOver: false };
  const reading = (async () => {
    while (!progress.isOver || published.size > 0) {
      const fetched = await fetcher.fetch(topic, partition, next, 100);
      const now = performance.now();
      next = fetched.next;
      for (const { value } of fetched.records) {
        const uuid = uuidOf(value);
        const at = published.get(uuid);
        if (at !== undefined) found.push(now - at);
        published.delete(uuid);
      }
    }
    await fetcher.disconnect();
  })();
  const connection = await origin.connect();
  const started = performance.now();
  for (const [index, { uuid, payload }] of batch.entries()) {
    const due = started + (index * 1000) / perSecond;
    while (performance.now() < due) await sleep(Math.max(1, due - performance.now()));
    published.set(uuid, performance.now());
    connection.publish(SYNC_SUBJECT, payload);
  }
  await connection.flush();
  progress.isOver = true;
  await reading;
  return found;
}

import { type Contender, whileItRuns } from './contenders.ts';
import { cpuSeconds, type Others, peakMemory, quietly, watchOthers } from './machine.ts';
import type { Stage } from './stage.ts';

/** What one turn of a contender has shown. */
export interface Turn {
  /** Messages a second, from the moment when its process is started. */
  readonly fromStart: number;
  /** The same from the first record that can be read. */
  readonly fromFirst: number;
  /** Until the first record, in seconds. */
  readonly untilFirst: number;
  /** Its processor time, in seconds, for 10,000 messages. */
  readonly cpu: number;
  /** The most memory that it had, in MB. */
  readonly memory: number;
}

/** A process is started beside servers that run, and brings over everything that waits in the stream. */
export function turn(stage: Stage, contender: Contender): Promise<Turn> {
  return quietly(contender.name, () => once(stage, contender));
}

async function once(stage: Stage, contender: Contender): Promise<{ result: Turn; others: Others }> {
  const { name, lfhId, rawTopic, launch } = contender;
  await stage.startOver(contender);
  const count = stage.sent.length;
  const seen = watchOthers();
  const started = performance.now();
  const firstRecord = stage.nextRecord(rawTopic);
  const launched = await launch();
  const acknowledged = stage.acknowledged(lfhId, name);
  const [first, last] = await whileItRuns(launched, Promise.all([firstRecord, acknowledged]));
  const others = seen();
  const [cpu, memory] = [cpuSeconds(launched.process.pid), peakMemory(launched.process.pid)];
  await launched.stop();
  await stage.verify(name, rawTopic);
  const perSecond = (since: number): number => (count * 1000) / (last - since);
  return {
    result: {
      fromStart: perSecond(started),
      fromFirst: perSecond(first),
      untilFirst: (first - started) / 1000,
      cpu: (cpu * 10_000) / count,
      memory,
    },
    others,
  };
}

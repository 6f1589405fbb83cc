import { type Contender, whileItRuns } from './contenders.ts';
import { cpuSeconds, isQuiet, type Others, peakMemory, untilQuiet, watchOthers } from './machine.ts';
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

/** How often a turn is tried again because something else ran meanwhile. */
const TRIES = 4;

/** A process is started beside servers that run, and brings over everything that waits in the stream. */
export async function turn(stage: Stage, contender: Contender): Promise<Turn> {
  let seen = '';
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    await untilQuiet();
    const { result, others } = await once(stage, contender);
    if (isQuiet(others)) return result;
    seen = `${others.cores.toFixed(2)} processors (${others.names})`;
    process.stderr.write(`${contender.name}: others used ${seen} meanwhile; this turn does not count\n`);
  }
  throw new Error(
    `other programs disturbed ${TRIES} turns of ${contender.name}, the last one with ${seen}: no figures of a busy machine`,
  );
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

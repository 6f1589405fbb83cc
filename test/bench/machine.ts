import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** What /proc says of this machine's processors and processes. A figure of a machine that does other work is none. */

/** Ticks of the kernel in a second, on every Linux that Node runs on. */
const TICKS = 100;
/** The share of one processor that everybody else may use while something is measured. */
export const FOREIGN_CORES = 0.15;
/** To try the benchmark itself on a machine that is not quiet. Its figures mean nothing then, and cannot be written to the docs. */
export const ANY_MACHINE = process.env.BENCH_ANY_MACHINE === 'true';
/** How long to look before anything is measured. */
const LOOK_MS = 2_000;
/** How long to wait until the others are done. */
const PATIENCE_MS = Number(process.env.BENCH_PATIENCE_S ?? 120) * 1000;

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
  /** What it has used itself, in seconds. */
  readonly own: number;
  /** What its ended children have used. */
  readonly children: number;
}

/** The processor time that a process has used, in seconds. */
export function cpuSeconds(pid: number): number {
  return processOf(pid)?.own ?? Number.NaN;
}

/** The most memory that a process ever had, in MB. */
export function peakMemory(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return Math.round(Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? Number.NaN) / 1024);
}

/** Who used how many processors meanwhile, besides this process and its children. */
export interface Others {
  readonly cores: number;
  /** The busiest of them, as a person reads it. */
  readonly names: string;
}

/** Begins to watch what the rest of the machine does; the function returned says what it did until then. */
export function watchOthers(): () => Others {
  const started = performance.now();
  const before = snapshot();
  return () => {
    const seconds = (performance.now() - started) / 1000;
    const after = snapshot();
    const cores = (after.busy - before.busy - (after.ours - before.ours)) / seconds;
    const busiest = [...after.foreign]
      .map(([pid, { name, own }]) => ({ name, cores: (own - (before.foreign.get(pid)?.own ?? 0)) / seconds }))
      .filter((each) => each.cores > 0.02)
      .sort((a, b) => b.cores - a.cores)
      .slice(0, 5);
    const names =
      busiest.map((each) => `${each.name} ${each.cores.toFixed(2)}`).join(', ') || 'nothing that /proc names';
    return { cores: Math.max(0, cores), names };
  };
}

/** Waits until the rest of the machine is quiet. @throws with what runs there, when it does not become so */
export async function untilQuiet(): Promise<void> {
  for (const deadline = performance.now() + PATIENCE_MS; ; ) {
    const seen = watchOthers();
    await sleep(LOOK_MS);
    const others = seen();
    if (isQuiet(others)) return;
    if (performance.now() < deadline) continue;
    throw new Error(
      `this machine is busy: others use ${others.cores.toFixed(2)} processors (${others.names}). ` +
        `A figure of it would mean nothing, so there is none. End what runs there, and run the benchmark again.`,
    );
  }
}

/** How often something is measured again because something else ran meanwhile. */
const TRIES = 4;

/**
 * Measures on a quiet machine, again where it was not quiet meanwhile.
 *
 * @throws with what ran, when it never was
 */
export async function quietly<Result>(
  name: string,
  measure: () => Promise<{ readonly result: Result; readonly others: Others }>,
): Promise<Result> {
  let seen = '';
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    await untilQuiet();
    const { result, others } = await measure();
    if (isQuiet(others)) return result;
    seen = `${others.cores.toFixed(2)} processors (${others.names})`;
    process.stderr.write(`${name}: others used ${seen} meanwhile; this does not count\n`);
  }
  throw new Error(
    `other programs disturbed ${name} ${TRIES} times, the last time with ${seen}: no figures of a busy machine`,
  );
}

function isQuiet({ cores }: Others): boolean {
  return ANY_MACHINE || cores <= FOREIGN_CORES;
}

function snapshot(): { busy: number; ours: number; foreign: ReadonlyMap<number, Process> } {
  const processes = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => processOf(Number(name)))
    .filter((each) => each !== undefined);
  const byPid = new Map(processes.map((each) => [each.pid, each]));
  const isOurs = (each: Process | undefined): boolean =>
    each !== undefined && (each.pid === process.pid || isOurs(byPid.get(each.parent)));
  const ours = processes.filter(isOurs).reduce((sum, { own, children }) => sum + own + children, 0);
  const foreign = new Map(processes.filter((each) => !isOurs(each)).map((each) => [each.pid, each]));
  return { busy: busySeconds(), ours, foreign };
}

/** What all processors have worked since the machine started, with what other machines on the same host took from it. */
function busySeconds(): number {
  const [, ...fields] = (readFileSync('/proc/stat', 'latin1').split('\n', 1)[0] ?? '').trim().split(/\s+/);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = fields.map(Number);
  return (user + nice + system + irq + softirq + steal) / TICKS;
}

function processOf(pid: number): Process | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The name may hold anything, also a parenthesis. The fields after it are numbered from 3 in proc(5).
  const end = stat.lastIndexOf(')');
  const fields = stat.slice(end + 2).split(' ');
  const number = (field: number): number => Number(fields[field - 3]);
  return {
    pid,
    parent: number(4),
    name: stat.slice(stat.indexOf('(') + 1, end),
    own: (number(14) + number(15)) / TICKS,
    children: (number(16) + number(17)) / TICKS,
  };
}

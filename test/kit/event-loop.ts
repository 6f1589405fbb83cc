import assert from 'node:assert/strict';

/** The processor time of this thread so far, in milliseconds. What other processes of a busy machine take is not in it. */
export function busyMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** The most processor time that passed between two turns of the event loop while something was done, in milliseconds. */
export async function longestStretch(work: () => Promise<void>): Promise<number> {
  let longest = 0;
  let last = busyMs();
  let isDone = false;
  const turn = (): void => {
    const now = busyMs();
    longest = Math.max(longest, now - last);
    last = now;
    if (!isDone) setImmediate(turn);
  };
  turn();
  try {
    await work();
  } finally {
    isDone = true;
    // What was done without any turn is a stretch as well.
    longest = Math.max(longest, busyMs() - last);
  }
  return longest;
}

/**
 * Fails where the longest stretch of something is at or above a limit in each of five runs. The first runs of the code, before it is
 * compiled, only add to a stretch, and so does what collects the garbage of other tests.
 *
 * @param limit in milliseconds, asked for each run. On a machine on which others keep the caches and the processor busy, everything
 *   takes longer, so that it may be measured
 * @param run as {@link longestStretch}
 */
export async function assertShortStretch(limit: () => number, run: () => Promise<number>): Promise<void> {
  const tried: string[] = [];
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const most = limit();
    const longest = await run();
    const figures = `${longest.toFixed(1)} ms (less than ${most.toFixed(1)} ms is demanded)`;
    if (process.env.LFH_SYNC_FIGURES) process.stderr.write(`longest: ${figures}\n`);
    if (longest < most) return;
    tried.push(figures);
  }
  assert.fail(tried.join(', '));
}

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

let passed = 0;

/** How many steps have passed so far. */
export function passedSteps(): number {
  return passed;
}

/** Prints what is done and how long it took, a line for each step. */
export async function step<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
  const started = performance.now();
  const seconds = (): string => ((performance.now() - started) / 1000).toFixed(1).padStart(6);
  try {
    const result = await work();
    console.log(`${seconds()} s  ${name}`);
    passed += 1;
    return result;
  } catch (error) {
    console.log(`${seconds()} s  FAILED: ${name}`);
    throw error;
  }
}

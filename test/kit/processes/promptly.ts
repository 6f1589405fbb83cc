import assert from 'node:assert/strict';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { execute } from '../../../image/cache.ts';

const SIDECAR = join(import.meta.dirname, '..', '..', '..', 'sidecar', 'main.ts');
/** What a sidecar without settings needs until it has said so and ended, on two cores that do nothing else. */
const IDLE_MS = 1_000;

/**
 * Waits for `work`, prints how long it took, and demands that it took no longer than `ms`.
 *
 * On a busy machine everything takes longer. So when it took longer, the machine is asked how busy it is: the limit is
 * extended as a process takes longer to start than on an idle one, and as more processes wait than there are processors.
 *
 * @throws what `work` throws, and an AssertionError with the figures
 */
export async function promptly(ms: number, what: string, work: Promise<unknown>): Promise<void> {
  const started = performance.now();
  await work;
  const took = performance.now() - started;
  process.stdout.write(`      ${what}: ${seconds(took)} s\n`);
  if (took <= ms) return;
  // The load of the last minute counts as well: what made it slow may be over by now.
  const [load = 0] = loadavg();
  const busy = Math.max(1, (await startMs()) / IDLE_MS, load / availableParallelism());
  const figures = `${seconds(took)} s instead of ${seconds(ms)} s, on a machine ${busy.toFixed(1)} times as slow as idle`;
  assert.ok(took <= ms * busy, `${what}: ${figures}`);
}

async function startMs(): Promise<number> {
  const started = performance.now();
  await execute(process.execPath, [SIDECAR]).then(
    () => assert.fail('a sidecar started without settings'),
    () => undefined,
  );
  return performance.now() - started;
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(2);
}

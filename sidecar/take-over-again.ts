import { patientDelay, sleep } from '../common/backoff.ts';
import { describeUnforeseen, ReportedError } from '../common/errors.ts';
import type { OwnersPort } from './ports.ts';

/** A stage behind the replay, which takes something over in Kafka and goes on with it until something fails. */
export interface Stage {
  readonly owners: OwnersPort;
  /** Takes over, and goes on until `signal` or a failure. */
  run(signal: AbortSignal): Promise<void>;
  /** @param failures how many in a row, 1 after the first. @returns milliseconds */
  retryMs(failures: number): number;
  /** Reports a failure of Kafka. */
  failed(error: ReportedError): void;
  /** Reports an error that nobody foresaw, without a word of any message. */
  failedUnforeseen(error: ReturnType<typeof describeUnforeseen>, retrySeconds: number): void;
}

/** A take-over that lasted this long was a working one: the next failure of Kafka is retried soon. */
const STABLE_MS = 60_000;

/**
 * Runs a stage until `signal`, through every failure: after each it takes over again.
 *
 * What is not a {@link ReportedError} is a bug, and yet it stops this stage alone, as with the replay of a peer: what a peer or
 * a server has sent may have provoked it.
 */
export async function takeOverAgain(stage: Stage, signal: AbortSignal): Promise<void> {
  let failures = 0;
  let unforeseen = 0;
  while (!signal.aborted) {
    const started = performance.now();
    try {
      // A sidecar that slept through a rebalance would fence the rightful owner, so the group must confirm first.
      await stage.owners.confirmed(signal);
      if (signal.aborted) return;
      await stage.run(signal);
    } catch (error) {
      if (performance.now() - started > STABLE_MS) failures = 0;
      failures += 1;
      if (error instanceof ReportedError) {
        stage.failed(error);
        await sleep(stage.retryMs(failures), signal);
      } else {
        unforeseen += 1;
        const retryMs = patientDelay(unforeseen);
        stage.failedUnforeseen(describeUnforeseen(error), retryMs / 1000);
        await sleep(retryMs, signal);
      }
    }
  }
}

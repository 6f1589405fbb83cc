import { setTimeout } from 'node:timers/promises';
import type { Client } from './connections.ts';
import { mayPass } from './errors.ts';

/**
 * A broker answers CONCURRENT_TRANSACTIONS for the few milliseconds in which it finishes the transaction before. A leader that
 * moves because its broker is stopped has a successor within a second. What takes longer is left to a take-over.
 */
const PAUSE_MS = { first: 1, growth: 1.5, longest: 100 };
const GIVE_UP_MS = 2_000;

/**
 * Sends a request again while its error is one that passes ({@link mayPass}).
 *
 * @throws what the last attempt threw; TransientError at once when the client is ended
 */
export async function repeat<Answer>(client: Client, attempt: () => Promise<Answer>): Promise<Answer> {
  const started = performance.now();
  for (let pause = PAUSE_MS.first; ; pause = Math.min(pause * PAUSE_MS.growth, PAUSE_MS.longest)) {
    try {
      return await client.guard(attempt());
    } catch (error) {
      if (!mayPass(error) || performance.now() - started + pause > GIVE_UP_MS) throw error;
    }
    await setTimeout(pause);
  }
}

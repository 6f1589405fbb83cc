import type { DurableConfig } from '../../../common/contract/durable.ts';
import type { DurableAttempt, FoundConfig } from '../observed/observed.ts';

/** Which durables to write, where the server does not have them as they should be. */

/** A limit that somebody has raised is noticed within this time. Each attempt may be a line in the server's log. */
const AGAIN_MS = 60_000;

/**
 * Whether to write a durable that is not as it should be. A server can refuse one for good, by a limit, or take it and set a
 * field itself, by `consumer_limits` of the stream. Writing that again and again would change nothing.
 */
export function isDue(
  last: DurableAttempt | undefined,
  wanted: DurableConfig,
  found: FoundConfig,
  now: number,
): boolean {
  if (!last || !isSame(last.wanted, wanted) || !isSame(last.found, found)) return true;
  if (last.refusal === undefined) return false;
  // Absolute, because the clock may have been set back since.
  return !last.refusal.lasting || Math.abs(now - last.at) >= AGAIN_MS;
}

/** Both texts come from one program each, which writes the fields in the same order every time. */
function isSame(one: object | undefined, other: object | undefined): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

import type { RetrySettings } from '../../common/contract/fhir-servers.ts';
import type { Verdict } from './answer.ts';
import { retryDelay, timeFor } from './schedule.ts';
import { isSuspect, type Pending } from './state.ts';

/** Whether the server fails, in which case it is asked again only after a while, with little. */
export interface Circuit {
  /** Rounds in a row in which the server failed. */
  readonly failures: number;
  /** In milliseconds since 1970. */
  readonly notBefore: number;
  /** Until when those are left alone that failed while others were taken, in milliseconds since 1970. Absent: none was tried. */
  readonly suspectsNotBefore?: number;
}

export const CLOSED: Circuit = { failures: 0, notBefore: 0 };

/** Until when a server is left alone, in milliseconds since 1970. */
export function restsUntil({ notBefore }: Circuit, retry: RetrySettings, now: number): number {
  return timeFor(notBefore, retry, now);
}

interface RoundTimes {
  readonly retry: RetrySettings;
  /** From 0 to 1. */
  readonly random: number;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** How long the round took. */
  readonly tookMs: number;
}

type Verdicts = ReadonlyMap<{ readonly pending?: Pending }, Verdict>;

/** What a round says of the server. */
export function circuitAfter(before: Circuit, verdicts: Verdicts, { retry, random, now, tookMs }: RoundTimes): Circuit {
  if (verdicts.size === 0) return before;
  const telling = tellingOf(verdicts);
  const failures = telling.filter((verdict) => verdict.kind === 'failed');
  const isAnswering = telling.some((verdict) => verdict.kind !== 'failed' || verdict.scope === 'resource');
  const isFailing = failures.some(({ scope }) => scope === 'server' || (scope === 'unclear' && !isAnswering));
  if (isFailing) {
    const count = before.failures + 1;
    const asked = Math.max(0, ...failures.map(({ retryAfterMs }) => retryAfterMs ?? 0));
    return { failures: count, notBefore: now + (asked > 0 ? asked : retryDelay(count, random, retry)) };
  }
  // A round lasts as long as the server hangs for one of them. So half of the time goes to what is new.
  const hasSuspects = [...verdicts.keys()].some(({ pending }) => pending && isSuspect(pending));
  const suspectsNotBefore = hasSuspects ? now + tookMs : before.suspectsNotBefore;
  return suspectsNotBefore === undefined ? CLOSED : { ...CLOSED, suspectsNotBefore };
}

/** The verdicts that say something of the server: not that a suspect has no answer once more. */
function tellingOf(verdicts: Verdicts): Verdict[] {
  const telling = [...verdicts].filter(
    ([{ pending }, verdict]) =>
      !(pending && isSuspect(pending) && verdict.kind === 'failed' && verdict.scope === 'unclear'),
  );
  return telling.map(([, verdict]) => verdict);
}

import type { RetrySettings } from '../../common/contract/fhir-servers.ts';
import { type Circuit, restsUntil } from './circuit.ts';
import { looksDown, Places, VERSIONS } from './crowd.ts';
import type { Incoming } from './round.ts';
import { timeFor } from './schedule.ts';
import { isSuspect, MAX_PENDING, type Pending } from './state.ts';

/** What a round consists of: which of those that wait, and how much that is new. Pure. */

/** So many new resources a round takes. A crash repeats no more. */
const ROUND_RESOURCES = 32;
/** Of those that are older than they may be, while the server fails. */
const ROUND_OVERAGED = 64;
/** Of those that failed while others were taken: as many as there are connections, because the server may hang for each. */
const ROUND_SUSPECTS = 8;
/** Of those that are given up because newer versions of them wait. */
const ROUND_SURPLUS = 64;
/** Where as many wait as may, so many more are tried, one at a time, to find out whether the server still fails. */
const PROBES = 100;

/**
 * Those of the pending that are tried now: none before its time, and none without the earlier ones with the same key. The first
 * of each key come first, so that a resource that changes often keeps no other one waiting. Those that failed while others were
 * taken come last, and are few.
 *
 * While the server fails, that is the one that was tried least often, so that one resource alone cannot make a server look dead,
 * and those that are to be given up if it still fails.
 */
export function dueNow(pending: readonly Pending[], circuit: Circuit, retry: RetrySettings, now: number): Pending[] {
  if (now < restsUntil(circuit, retry, now)) return [];
  if (circuit.failures > 0) return probesOf(firstOfEachKey(pending), retry, now);
  const suspects = suspectsDue(pending, circuit, retry, now);
  // They have to make room first. What else has no answer then would look like a server that is down.
  if (pending.length >= MAX_PENDING && suspects.length > 0) return suspects;
  const due = allDue(pending, retry, now);
  const firstDue = new Set(firstOfEachKey(due));
  const others = [...firstDue, ...due.filter((each) => !firstDue.has(each))].slice(0, ROUND_RESOURCES);
  return [...others, ...suspects];
}

function probesOf(first: readonly Pending[], retry: RetrySettings, now: number): Pending[] {
  // A suspect says nothing of the server.
  const [probe] = [...first].sort(
    (one, other) => Number(isSuspect(one)) - Number(isSuspect(other)) || one.attempts - other.attempts,
  );
  const overaged = first.filter((each) => each !== probe && isOveraged(each.since, retry, now));
  return [...(probe ? [probe] : []), ...overaged.slice(0, ROUND_OVERAGED)];
}

/** None before its time, and none behind one with the same key that is not due. Without those of {@link suspectsDue}. */
function allDue(pending: readonly Pending[], retry: RetrySettings, now: number): Pending[] {
  const blocked = new Set<string>();
  return pending.filter((each) => {
    const { key, notBefore } = each;
    const isDue = !isSuspect(each) && timeFor(notBefore, retry, now) <= now && (key === null || !blocked.has(key));
    if (!isDue && key !== null) blocked.add(key);
    return isDue;
  });
}

/** Those that failed while others were taken, and are due: one of each key, and those first that have waited longest for it. */
function suspectsDue(pending: readonly Pending[], circuit: Circuit, retry: RetrySettings, now: number): Pending[] {
  if (now < suspectsRestUntil(pending, circuit, retry, now)) return [];
  return firstOfEachKey(pending)
    .filter((each) => isSuspect(each) && timeFor(each.notBefore, retry, now) <= now)
    .sort((one, other) => one.notBefore - other.notBefore)
    .slice(0, ROUND_SUSPECTS);
}

/** Where there is no room for what is new, nothing is gained by leaving them alone. */
function suspectsRestUntil(
  { length }: readonly Pending[],
  { suspectsNotBefore = 0 }: Circuit,
  retry: RetrySettings,
  now: number,
): number {
  return length >= MAX_PENDING ? 0 : timeFor(suspectsNotBefore, retry, now);
}

/** When the next of the pending is due, in milliseconds since 1970; undefined where none is. */
export function nextDue(
  pending: readonly Pending[],
  circuit: Circuit,
  retry: RetrySettings,
  now: number,
): number | undefined {
  if (pending.length === 0) return undefined;
  const rest = suspectsRestUntil(pending, circuit, retry, now);
  const times = firstOfEachKey(pending).map((each) =>
    Math.max(isSuspect(each) ? rest : 0, timeFor(each.notBefore, retry, now)),
  );
  return Math.max(restsUntil(circuit, retry, now), Math.min(...times));
}

/**
 * Those of the pending that are given up without being tried: of what fails by its own fault the versions between the oldest,
 * which shows whether it still fails, and the newest few.
 */
export function surplusOf(pending: readonly Pending[], circuit: Circuit): Pending[] {
  if (circuit.failures > 0 || looksDown(pending)) return [];
  const behind = new Places(pending);
  const first = new Set(firstOfEachKey(pending));
  const surplus = pending.filter((each) => {
    behind.leave(each);
    return each.fault === 'own' && !first.has(each) && behind.versionsOf(each.key) >= VERSIONS;
  });
  return surplus.slice(0, ROUND_SURPLUS);
}

function firstOfEachKey(pending: readonly Pending[]): Pending[] {
  const keys = new Set<string>();
  return pending.filter(({ key }) => {
    if (key === null) return true;
    const isFirst = !keys.has(key);
    keys.add(key);
    return isFirst;
  });
}

/** How many resources a round takes from LFH_SYNC at most. */
export function roomFor({ failures }: Circuit): number {
  return failures > 0 ? ROUND_OVERAGED : ROUND_RESOURCES;
}

/** How many of the records that come next belong to this round. */
export function takeIncoming(
  incoming: readonly Incoming[],
  pendingCount: number,
  circuit: Circuit,
  retry: RetrySettings,
  now: number,
): number {
  if (now < restsUntil(circuit, retry, now)) return 0;
  const isFailing = circuit.failures > 0;
  const most = isFailing ? MAX_PENDING + PROBES : MAX_PENDING;
  let taken = 0;
  let resources = 0;
  for (const { reading, since } of incoming) {
    if (reading.kind === 'resource') {
      const room = isFailing ? (isOveraged(since, retry, now) ? ROUND_OVERAGED : 1) : ROUND_RESOURCES;
      if (resources >= room || pendingCount + resources >= most) break;
      resources += 1;
    }
    taken += 1;
  }
  return taken;
}

function isOveraged(since: number, { giveUpAfterSeconds }: RetrySettings, now: number): boolean {
  return now - since > giveUpAfterSeconds * 1000;
}

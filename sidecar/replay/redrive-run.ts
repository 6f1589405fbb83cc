import type { Redrive } from '../../common/contract/peers.ts';
import type { RedriveStatus } from '../../common/contract/status.ts';
import type { Rejected } from './exception.ts';
import { asObject, isCount } from './stored-json.ts';

/** One run of a redrive: what its position topic has as its position. */

export interface RedriveCounts {
  readonly found: number;
  readonly replayed: number;
  readonly rejected: number;
  readonly missing: number;
}

/** What is left of a partition of LFH_EXCEPTION, from one offset up to another. */
export interface Range {
  readonly partition: number;
  readonly next: number;
  readonly end: number;
}

export interface RedriveRun extends RedriveCounts {
  readonly id: string;
  readonly dryRun: boolean;
  /** As they were when it began. A change takes another id. */
  readonly reasons: readonly string[] | null;
  /** In milliseconds since 1970. */
  readonly since: number;
  readonly startedAt: string;
  readonly finishedAt: string | null;
  /** In the order in which they are read. */
  readonly ranges: readonly Range[];
}

/** @param now milliseconds since 1970 */
export function beginRun({ id, dryRun, reasons, since }: Redrive, ranges: readonly Range[], now: number): RedriveRun {
  return {
    id,
    dryRun,
    reasons: reasons ?? null,
    since: sinceOf({ since }),
    startedAt: new Date(now).toISOString(),
    finishedAt: null,
    ranges,
    found: 0,
    replayed: 0,
    rejected: 0,
    missing: 0,
  };
}

/** The time from which on rejected messages count, in milliseconds since 1970. */
export function sinceOf({ since }: { readonly since?: string | undefined }): number {
  return since === undefined ? 0 : Math.max(0, Date.parse(since));
}

/** Whether this is the run of the redrive that the settings ask for. A dry run does not use an id up. */
export function isRunOf(run: RedriveRun, { id, dryRun }: Redrive): boolean {
  return run.id === id && run.dryRun === dryRun;
}

export function isAskedFor({ reasons, since }: RedriveRun, rejected: Rejected): boolean {
  return rejected.time >= since && (reasons === null || reasons.includes(rejected.reason));
}

/** Moves a run on within a partition. */
export function moveTo(run: RedriveRun, partition: number, next: number): RedriveRun {
  return { ...run, ranges: run.ranges.map((range) => (range.partition === partition ? { ...range, next } : range)) };
}

export function count(run: RedriveRun, more: Omit<RedriveCounts, 'found'>): RedriveRun {
  const { replayed, rejected, missing } = more;
  return {
    ...run,
    found: run.found + replayed + rejected + missing,
    replayed: run.replayed + replayed,
    rejected: run.rejected + rejected,
    missing: run.missing + missing,
  };
}

export function runStatus(run: RedriveRun, waitsFor?: string): RedriveStatus {
  const { id, dryRun, found, replayed, rejected, missing, startedAt, finishedAt } = run;
  const state = finishedAt !== null ? 'Done' : waitsFor === undefined ? 'Running' : 'Waiting';
  return { id, dryRun, state, message: waitsFor ?? '', found, replayed, rejected, missing, startedAt, finishedAt };
}

export function encodeRun(run: RedriveRun): string {
  return JSON.stringify(run);
}

/** @returns undefined where it is not a run */
export function decodeRun(value: string): RedriveRun | undefined {
  const run = asObject(value);
  return run !== undefined && isRun(run) ? (run as unknown as RedriveRun) : undefined;
}

function isRun({ id, dryRun, reasons, since, startedAt, finishedAt, ranges, ...counts }: Record<string, unknown>) {
  const { found, replayed, rejected, missing } = counts;
  return (
    typeof id === 'string' &&
    typeof dryRun === 'boolean' &&
    (reasons === null || Array.isArray(reasons)) &&
    typeof startedAt === 'string' &&
    (finishedAt === null || typeof finishedAt === 'string') &&
    [since, found, replayed, rejected, missing].every(isCount) &&
    Array.isArray(ranges) &&
    ranges.every(
      (range: Partial<Range> | null) => isCount(range?.partition) && isCount(range.next) && isCount(range.end),
    )
  );
}
